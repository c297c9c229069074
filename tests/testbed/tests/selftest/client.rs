//! A client that signs as it is told, so that it can also sign wrongly.

use std::process::Command;

use serde_json::Value;
use testbed::Simulator;

/// Percent-encoding as the real clients of Java do it.
fn encode(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-*_".contains(&byte);
    value
        .bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// By openssl: neither the controller's nor the simulator's code.
pub fn openssl_signature(parameters: &[(&str, &str)], secret: &str) -> String {
    let mut sorted = parameters.to_vec();
    sorted.sort_unstable();
    let pairs: Vec<String> = sorted.iter().map(|(k, v)| format!("{k}={}", encode(v))).collect();
    let text = pairs.join("&").to_lowercase();
    let script = r#"printf %s "$1" | openssl dgst -sha1 -hmac "$2" -binary | openssl base64"#;
    let done = Command::new("sh").args(["-c", script, "sign", &text, secret]).output().unwrap();
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

pub fn query(parameters: &[(&str, &str)], signature: &str) -> String {
    let pairs: Vec<String> = parameters.iter().map(|(k, v)| format!("{k}={}", encode(v))).collect();
    format!("{}&signature={}", pairs.join("&"), encode(signature))
}

pub async fn send(sim: &Simulator, query: &str) -> (u16, String) {
    let answer = reqwest::get(format!("{}?{query}", sim.endpoint())).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// A call as root, rightly signed.
pub async fn call(sim: &Simulator, command: &str, more: &[(&str, &str)]) -> (u16, Value) {
    call_as(sim, &sim.api_key, &sim.secret_key, command, more).await
}

pub async fn call_as(
    sim: &Simulator,
    key: &str,
    secret: &str,
    command: &str,
    more: &[(&str, &str)],
) -> (u16, Value) {
    let mut parameters = vec![("command", command), ("apikey", key), ("response", "json")];
    parameters.extend(more);
    let signature = openssl_signature(&parameters, secret);
    let (status, body) = send(sim, &query(&parameters, &signature)).await;
    (status, serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}")))
}

/// The names in a listing of VMs, in order.
pub fn names(body: &Value) -> Vec<&str> {
    let list = body["listvirtualmachinesresponse"]["virtualmachine"].as_array();
    list.into_iter().flatten().map(|vm| vm["name"].as_str().unwrap()).collect()
}
