//! A newcomer's mistakes, and what he is told: each message names what is at fault, why, and what to do. All of
//! them stand in one snapshot, to be read by a stranger: `snapshots/newcomer.snap`.

use super::support::{LIMIT, PROGRAM, answers, example, once, serve, vm};
use futures_util::{StreamExt as _, stream};
use std::{collections::HashMap, fmt::Write as _};
use testbed::{Certificates, Controller, Lab, TlsProxy, poll, watchdog::TempDir, watchdog::free_port};

/// What somebody typed, and what for.
struct Mistake {
    what: &'static str,
    arguments: Vec<&'static str>,
    /// Over the good configuration of the lab; no value takes the variable away.
    settings: Vec<(&'static str, Option<String>)>,
    /// The program tries again: it is not waited for.
    again: bool,
}

fn mistake(what: &'static str, line: &'static str, settings: &[(&'static str, &str)]) -> Mistake {
    let settings = settings.iter().map(|(name, value)| (*name, Some((*value).to_owned()))).collect();
    Mistake { what, arguments: line.split_whitespace().collect(), settings, again: false }
}

fn without(what: &'static str, line: &'static str, names: &[&'static str]) -> Mistake {
    let settings = names.iter().map(|name| (*name, None)).collect();
    Mistake { settings, ..mistake(what, line, &[]) }
}

/// One that may mend itself.
fn passing(what: &'static str, line: &'static str, settings: &[(&'static str, &str)]) -> Mistake {
    Mistake { again: true, ..mistake(what, line, settings) }
}

/// What a program says that goes on.
const AGAIN: &str = "tries again";
const GOES_ON: &str = "it goes on";

/// What one sees until the program ends, or has said what it is waited for.
async fn seen(lab: &Lab, Mistake { arguments, settings, what, again }: &Mistake) -> String {
    let listen = format!("127.0.0.1:{}", free_port());
    let mut environment: HashMap<String, String> = lab.env_with(&[
        ("RESYNC_MIN_INTERVAL", "1s"),
        ("DNS_ZONES", "domain.com,2.0.192.in-addr.arpa"),
        ("HTTP_LISTEN", &listen),
    ]);
    for (name, value) in settings {
        match value {
            Some(value) => environment.insert((*name).into(), value.clone()),
            None => environment.remove(*name),
        };
    }
    let mut program = Controller::start(PROGRAM, arguments, &environment).expect("it starts");
    let mut ends = String::new();
    poll(&format!("{what}: the program ends, or tries again"), LIMIT * 2, async || {
        let output = program.output();
        ends = match program.exit_code() {
            Some(code) => format!("exit {code}"),
            None if *again && output.lines().any(|line| line.contains(AGAIN)) => GOES_ON.to_owned(),
            None => return Err(output),
        };
        Ok(())
    })
    .await;
    let given = settings.iter().map(|(name, value)| match value {
        Some(value) => format!("{name}={value} "),
        None => format!("{name}= "),
    });
    let mut text = format!("# {what}\n$ {}cs-powerdns {}\n", given.collect::<String>(), arguments.join(" "));
    for line in program.output().lines().map(without_time).filter(|line| is_told(line)) {
        text.push_str(&without_chance(line));
        text.push('\n');
        if ends == GOES_ON && line.contains(AGAIN) {
            break;
        }
    }
    writeln!(text, "({ends})\n").expect("a String takes all");
    text
}

/// Not what is well, nor what `check` merely warns of.
fn is_told(line: &str) -> bool {
    let well = ["INFO ", "ok ", "warning  "].iter().any(|begin| line.starts_with(begin));
    !well && !line.contains(" ok, ")
}

/// What differs from one library, resolver or run to the next.
fn without_chance(line: &str) -> String {
    let mut line = line.replace("Temporary failure in name resolution", "Name or service not known");
    for call in ["listAccounts", "listProjects"] {
        // Three calls at once: any of them may be the first to fail.
        line = line.replace(call, "listDomains");
    }
    for (after, before) in [(":../ssl/", ": ("), (" (after ", " -> "), (" answer was complete", "\n")] {
        if let Some(at) = line.find(after) {
            let keep = if after.starts_with(" answer") { at + after.len() } else { at };
            let rest = line[keep..].find(before).map_or(line.len(), |found| keep + found);
            line.replace_range(keep..rest, "");
        }
    }
    line
}

/// A line of the log without its time.
fn without_time(line: &str) -> &str {
    match line.split_once(' ') {
        Some((time, rest)) if time.ends_with('Z') && time.contains('T') => rest.trim_start(),
        _ => line,
    }
}

/// Numbers of ports, which differ from run to run.
fn without_ports(text: &str) -> String {
    let mut out = String::new();
    for (number, part) in text.split_inclusive([':']).enumerate() {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
        let digits = part.len() - rest.len();
        if number > 0 && (4..=5).contains(&digits) && out.ends_with(':') {
            out.push_str("PORT");
            out.push_str(rest);
        } else {
            out.push_str(part);
        }
    }
    out
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table of mistakes")]
async fn what_a_newcomer_gets_wrong_he_is_told_with_the_variable_the_fault_and_the_remedy() {
    let mut lab = Lab::new("newcomer").await;
    lab.kafka();
    example(&lab).await;
    let id = lab.world().create_vm(vm("web", "192.0.2.10"));
    let folder = TempDir::new("newcomer").unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let simulator = lab.sim.endpoint();
    let tls = simulator.replace("http://", "https://");
    let no_path = simulator.replace("/client/api", "");
    let user_interface = simulator.replace("/client/api", "/client/");
    let made = Certificates::new().unwrap();
    let identity = made.server("api", "cloud.example.org", 2).unwrap();
    let port = simulator.split([':', '/']).find_map(|part| part.parse::<u16>().ok()).unwrap();
    let proxy = TlsProxy::start(&identity, port).await.unwrap();
    let other_name = format!("https://localhost:{}/client/api", proxy.port);
    let no_tls = format!("http://localhost:{}/client/api", proxy.port);
    let authority = made.authority("ca");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().map(|address| (taken, address.to_string())).unwrap();
    let closed = format!("http://127.0.0.1:{}/client/api", free_port());
    let closed_port = free_port().to_string();
    let closed_broker = format!("127.0.0.1:{closed_port}");
    let secret = path("secret");
    std::fs::create_dir(&secret).unwrap();
    let mistakes = [
        without("two variables are missing at once", "plan", &["CS_API_KEY", "MYSQL_PDNS_USER"]),
        mistake("an unknown verb", "pln", &[]),
        mistake("an unknown flag", "plan --jsn", &[]),
        mistake("a verb that wants a name has none", "explain", &[]),
        mistake("a misspelt variable", "plan", &[("DNS_COMON_ZONE", "example.org")]),
        mistake("`true` spelled `yes`", "plan", &[("DNS_ADD_TO_COMMON_ZONE", "yes")]),
        mistake("a network with host bits", "plan", &[("DNS_ADDRESSES", "192.0.2.7/24")]),
        mistake("a duration without a unit", "plan", &[("RESYNC_INTERVAL", "600")]),
        mistake("a TTL with a unit", "plan", &[("DNS_RECORD_TTL", "1m")]),
        mistake("a percentage that is none", "plan", &[("DNS_MAX_LOSS_PERCENT", "30%")]),
        mistake("a mode that is none", "plan", &[("DNS_MODE", "dry-run")]),
        mistake("a port where the host belongs", "plan", &[("MYSQL_PDNS_HOST", "db.example.org:3306")]),
        mistake("a broker without its port", "run", &[("KAFKA_BOOTSTRAP", "kafka.example.org")]),
        mistake(
            "a secret from a file that is a folder",
            "plan",
            &[("CS_SECRET_KEY", ""), ("CS_SECRET_KEY_FILE", &secret)],
        ),
        mistake(
            "a secret from a file that is not there",
            "plan",
            &[("MYSQL_PDNS_PASSWORD", ""), ("MYSQL_PDNS_PASSWORD_FILE", "/run/secrets/pdns")],
        ),
        mistake("an endpoint without its path", "plan", &[("CS_ENDPOINT", &no_path)]),
        mistake("the address of the user interface", "plan", &[("CS_ENDPOINT", &user_interface)]),
        mistake("https where http is spoken", "plan", &[("CS_ENDPOINT", &tls)]),
        passing("http where https is spoken", "plan", &[("CS_ENDPOINT", &no_tls)]),
        mistake("an authority that nobody knows", "plan", &[("CS_ENDPOINT", &other_name)]),
        mistake(
            "a certificate of another name",
            "plan",
            &[("CS_ENDPOINT", &other_name), ("CS_CA_FILE", &authority)],
        ),
        passing("nobody listens at the endpoint", "plan", &[("CS_ENDPOINT", &closed)]),
        passing(
            "an endpoint that has no address",
            "plan",
            &[("CS_ENDPOINT", "https://cloud.invalid/client/api")],
        ),
        mistake("a wrong API key", "plan", &[("CS_API_KEY", "another")]),
        mistake("a wrong secret key", "plan", &[("CS_SECRET_KEY", "another")]),
        passing("nobody listens at the database's port", "plan", &[("MYSQL_PDNS_PORT", &closed_port)]),
        passing("a database host that has no address", "plan", &[("MYSQL_PDNS_HOST", "db.invalid")]),
        mistake("a wrong password", "plan", &[("MYSQL_PDNS_PASSWORD", "another")]),
        mistake("a database that is not there", "plan", &[("MYSQL_PDNS_NAME", "powerdns")]),
        mistake("a database that is not PowerDNS's", "plan", &[("MYSQL_PDNS_NAME", "information_schema")]),
        mistake("TLS asked of a database that has none", "plan", &[("MYSQL_PDNS_TLS", "required")]),
        mistake("a zone of DNS_ZONES that is not there", "plan", &[("DNS_ZONES", "exmaple.org.")]),
        mistake("the same, looked at", "check", &[("DNS_ZONES", "exmaple.org.")]),
        mistake(
            "a common zone that is not there",
            "plan",
            &[("DNS_COMMON_ZONE", "example.org."), ("DNS_ADD_TO_COMMON_ZONE", "true")],
        ),
        mistake("an account's path without its zone", "plan", &[("DNS_ZONES", "@ROOT/acme")]),
        mistake("a wildcard where a zone belongs", "plan", &[("DNS_ZONES", "*.domain.com")]),
        mistake("HTTP_LISTEN is taken", "run", &[("HTTP_LISTEN", &taken.1)]),
        mistake("HTTP_LISTEN without an address", "run", &[("HTTP_LISTEN", "8053")]),
        mistake("a topic that is not there", "check", &[("KAFKA_TOPIC", "no-such-topic")]),
        mistake("no broker", "check", &[("KAFKA_BOOTSTRAP", &closed_broker)]),
        mistake("a held set that is none", "approve latest", &[]),
        mistake("a held set that is not there", "approve 0a1b2c3d", &[]),
        mistake("a name that nobody wants", "adopt wbe.domain.com", &[]),
        mistake("a name that has nothing", "release wbe.domain.com", &[]),
        mistake("a zone that is not there", "purge --zone domian.com", &[]),
        mistake("no cs_mapping here", "adopt --all --from-cs-mapping", &[]),
        mistake(
            "a web server of PowerDNS without its key",
            "plan",
            &[("PDNS_API_URL", "http://127.0.0.1:8081")],
        ),
    ];
    let told: Vec<String> =
        stream::iter(&mistakes).map(|mistake| seen(&lab, mistake)).buffered(6).collect().await;
    let mut text = told.concat();
    for (long, short) in [
        (&*lab.db.name, "DATABASE"),
        (&lab.db.user, "USER"),
        (&lab.topic, "TOPIC"),
        (&folder.path().display().to_string(), "FOLDER"),
        (&authority, "FOLDER/ca.pem"),
        (&lab.world().root(), "ROOT"),
        (&id, "VM"),
        (&closed_port, "PORT"),
    ] {
        text = text.replace(long, short);
    }
    let text = without_ports(&text);
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("newcomer", text);
    });
}

#[tokio::test]
async fn a_zone_that_is_made_after_its_vms_fills_itself_and_is_told_of_before() {
    let lab = Lab::new("newcomer_zone").await;
    let domain = example(&lab).await;
    lab.world().set_domain_network_domain(&domain, Some("later.org"));
    lab.world().create_vm(vm("web", "192.0.2.10"));
    let plan = once(&lab, &["plan"], &[]).await;
    let told = "claims that are not written: 1\n  later.org: 1 pending, no zone; first web.later.org: ";
    assert!(plan.code == 0 && plan.stdout.contains(told), "{}{}", plan.stdout, plan.stderr);
    let why = once(&lab, &["explain", "web.later.org"], &[]).await;
    assert!(why.stdout.contains("create that zone in PowerDNS"), "explain names the remedy: {}", why.stdout);
    let controller = serve(&lab, &[]).await;
    lab.db.zone("later.org").await.expect("a zone");
    answers(&lab, "web.later.org", "A", &["192.0.2.10"]).await;
    drop(controller);
}
