//! Variables that look like ours and are none: a misspelt one would otherwise do nothing, in silence.

use super::VARIABLES;

const PREFIXES: &[&str] = &["CS_", "DNS_", "MYSQL_PDNS_", "KAFKA_", "RESYNC_", "PDNS_API_", "LEASE_"];

/// A warning for each of `names` that begins like a variable of ours and is none.
pub fn near_misses(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut warnings: Vec<String> = names.into_iter().filter_map(|name| near_miss(&name)).collect();
    warnings.sort();
    warnings
}

fn near_miss(name: &str) -> Option<String> {
    let known = VARIABLES.iter().any(|variable| variable.name == name);
    if known || !PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || is_service_link(name) {
        return None;
    }
    let (distance, nearest) =
        VARIABLES.iter().map(|variable| (distance(name, variable.name), variable.name)).min()?;
    let hint = if distance <= 4 { format!("; did you mean {nearest}?") } else { String::new() };
    Some(format!("{name} is no variable of this program and has no effect{hint}"))
}

/// What Kubernetes sets for a Service named `dns` or `kafka`.
fn is_service_link(name: &str) -> bool {
    name.contains("_SERVICE_") || name.ends_with("_PORT") || name.contains("_TCP") || name.contains("_UDP")
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let cost = (diagonal + usize::from(x != y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], cost);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_variables_are_named_with_the_nearest() {
        let names = ["CS_SECRETKEY", "DNS_COLOUR_SCHEME", "CS_API_KEY", "PATH", "KAFKA_PORT_9092_TCP"];
        assert_eq!(
            near_misses(names.map(str::to_owned)),
            [
                "CS_SECRETKEY is no variable of this program and has no effect; did you mean CS_SECRET_KEY?",
                "DNS_COLOUR_SCHEME is no variable of this program and has no effect",
            ]
        );
    }
}
