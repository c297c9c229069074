//! What `schema` prints is exactly enough, and without it the program says so.

use super::{
    statements::{everything, longest},
    support::{LIMIT, answers, example, once, sync, vm},
};
use mysql_async::{OptsBuilder, Pool, prelude::Queryable};
use testbed::{Lab, VmSpec, schema::Made};

/// The statements that `schema` prints for this lab.
pub async fn schema(lab: &Lab) -> Vec<String> {
    let output = once(lab, &["schema"], &[]).await;
    assert_eq!(output.code, 0, "{}", output.stderr);
    let lines = output.stdout.lines().filter(|line| !line.trim_start().starts_with("--"));
    let text = lines.collect::<Vec<_>>().join("\n");
    text.split(';').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// Runs the tables as an administrator and leaves the user nothing but the printed grants, of those that
/// `keep` likes.
pub async fn apply(lab: &Lab, keep: impl Fn(&str) -> bool) {
    let statements = schema(lab).await;
    let (grants, tables): (Vec<_>, Vec<_>) =
        statements.iter().map(String::as_str).partition(|sql| sql.starts_with("GRANT"));
    for table in tables.into_iter().filter(|sql| keep(sql)) {
        lab.db.exec(table).await.expect("a table");
    }
    let grants: Vec<&str> = grants.into_iter().filter(|sql| keep(sql)).collect();
    lab.db.limit_to(&grants).await.expect("the printed grants");
}

/// Asks as the controller's user.
async fn ask(lab: &Lab, sql: &str) -> Result<(), String> {
    let pool = pool(lab);
    let mut connection = pool.get_conn().await.map_err(|error| error.to_string())?;
    let asked = connection.query_drop(sql).await.map_err(|error| error.to_string());
    drop(connection);
    pool.disconnect().await.map_err(|error| error.to_string())?;
    asked
}

/// Connections of the controller's user.
fn pool(lab: &Lab) -> Pool {
    let options = OptsBuilder::default()
        .ip_or_hostname("127.0.0.1")
        .tcp_port(lab.db.mysql.port)
        .prefer_socket(false)
        .db_name(Some(&lab.db.name))
        .user(Some(&lab.db.user))
        .pass(Some(&lab.db.password));
    Pool::new(options)
}

async fn our_tables(lab: &Lab) -> usize {
    let tables: Vec<String> = lab.db.query("SHOW TABLES LIKE 'cs\\_powerdns\\_%'").await.expect("the tables");
    tables.len()
}

#[tokio::test]
async fn the_printed_grants_are_enough_and_private_keys_stay_unreadable() {
    let lab = Lab::new("grants").await;
    example(&lab).await;
    apply(&lab, |_| true).await;
    assert_eq!(our_tables(&lab).await, 6);
    // Signed, so that keys, metadata, order names and empty non-terminals are all in play.
    lab.dns().await.pdnsutil(&["secure-zone", "domain.com"]).unwrap();
    let id = lab.world().create_vm(VmSpec { group: Some("www".into()), ..vm("web", "192.0.2.10") });
    sync(&lab, &[]).await;
    answers(&lab, "web.domain.com", "A", &["192.0.2.10"]).await;
    answers(&lab, "www-edd2ab05.domain.com", "A", &["192.0.2.10"]).await;
    lab.world().rename_vm(&id, "web2");
    sync(&lab, &[("DNS_RECORD_TTL", "90")]).await;
    answers(&lab, "web2.domain.com", "A", &["192.0.2.10"]).await;
    answers(&lab, "web.domain.com", "A", &[]).await;
    lab.world().expunge_vm(&id);
    sync(&lab, &[]).await;
    answers(&lab, "web2.domain.com", "A", &[]).await;
    ask(&lab, "SELECT domain_id, active FROM cryptokeys").await.expect("whether a zone is signed");
    for forbidden in [
        "SELECT content FROM cryptokeys",
        "SELECT * FROM cryptokeys",
        "SELECT secret FROM tsigkeys",
        "UPDATE domains SET type = 'SLAVE'",
        "UPDATE records SET name = 'x'",
        "CREATE TABLE mine (a INT)",
        "DROP TABLE cs_powerdns_ledger",
    ] {
        let refused = ask(&lab, forbidden).await.expect_err(forbidden);
        assert!(refused.contains("denied"), "{forbidden}: {refused}");
    }
}

/// Who is asked to make the tables may not look into the database yet: then the SQL is a guess, and says so.
#[tokio::test]
async fn without_the_right_to_look_at_records_schema_says_that_it_guesses_their_character_set() {
    let lab = Lab::new("schema_guess").await;
    lab.db.remake(Made::V47, false, "utf8mb4").await.expect("another schema");
    let said = async |more: &[(&str, &str)]| {
        let output = once(&lab, &["schema"], more).await;
        assert_eq!(output.code, 0, "{}", output.stderr);
        let (comments, sql): (Vec<&str>, Vec<&str>) =
            output.stdout.lines().partition(|line| line.starts_with("--"));
        (comments.join("\n"), sql.join("\n"))
    };
    let (comments, sql) = said(&[]).await;
    assert!(
        sql.contains("CHARACTER SET utf8mb4") && !comments.contains("character set"),
        "{comments}\n{sql}"
    );

    let database = &lab.db.name;
    let domains = format!("GRANT SELECT ON `{database}`.domains TO '{}'@'%'", lab.db.user);
    for (rights, why) in [
        (&[domains.as_str()][..], "has no table `records` that this user may read"),
        (&[], "The database could not be asked: "),
    ] {
        lab.db.limit_to(rights).await.expect("few rights");
        let (comments, sql) = said(&[]).await;
        for words in [why, "which character set the table `records` has", "latin1_swedish_ci"] {
            assert!(comments.contains(words), "{words} is not in\n{comments}");
        }
        assert!(
            sql.contains("CHARACTER SET latin1") && sql.contains(&format!("`{database}`.records")),
            "{sql}"
        );
    }
    // The table can be read: what it says is no guess.
    lab.db
        .limit_to(&[&format!("GRANT SELECT ON `{database}`.records TO '{}'@'%'", lab.db.user)])
        .await
        .expect("the right to look");
    let (comments, sql) = said(&[]).await;
    assert!(
        sql.contains("CHARACTER SET utf8mb4") && !comments.contains("character set"),
        "{comments}\n{sql}"
    );
    // Nor does a configuration that is wrong pass for one that was never given.
    let (comments, _) = said(&[("RESYNC_INTERVAL", "often")]).await;
    assert!(comments.contains("RESYNC_INTERVAL") && comments.contains("character set"), "{comments}");
}

/// One right of a table, or of a column of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Right {
    pub table: String,
    pub verb: String,
    pub column: Option<String>,
}

/// What the printed GRANTs say, right by right.
pub fn rights(grants: &[String]) -> Vec<Right> {
    let mut rights = Vec::new();
    for grant in grants.iter().filter_map(|sql| sql.strip_prefix("GRANT ")) {
        let (what, rest) = grant.split_once(" ON ").expect("a table");
        let table = rest.split_once('.').and_then(|(_, rest)| rest.split_once(' ')).expect("a table").0;
        for part in what.split_inclusive(')').flat_map(|part| match part.find('(') {
            // Columns have commas too.
            Some(at) => {
                let begin = part[..at].rfind(',').map_or(0, |comma| comma + 1);
                part[..begin].split(',').chain([&part[begin..]]).collect::<Vec<_>>()
            }
            None => part.split(',').collect(),
        }) {
            let part = part.trim();
            let right = |verb: &str, column| Right { table: table.into(), verb: verb.trim().into(), column };
            match part.split_once('(') {
                Some((verb, columns)) => {
                    let columns = columns.trim_end_matches(')').split(',');
                    rights.extend(columns.map(|column| right(verb, Some(column.trim().to_owned()))));
                }
                None if part.is_empty() => {}
                None => rights.push(right(part, None)),
            }
        }
    }
    rights
}

/// All rights but one.
async fn without(lab: &Lab, rights: &[Right], missing: Option<&Right>) {
    grant(lab, rights.iter().filter(|right| Some(*right) != missing)).await;
}

/// These rights and no others.
pub async fn grant(lab: &Lab, rights: impl Iterator<Item = &Right>) {
    let grants: Vec<String> = rights
        .map(|Right { table, verb, column }| {
            let column = column.as_ref().map_or(String::new(), |column| format!(" ({column})"));
            format!("GRANT {verb}{column} ON {table} TO '{}'@'%'", lab.db.user)
        })
        .collect();
    let grants: Vec<&str> = grants.iter().map(String::as_str).collect();
    lab.db.limit_to(&grants).await.expect("the rights");
}

/// Every verb in turn with nothing but the printed grants; then each right is taken away, and some
/// statement of all that was sent is denied.
#[tokio::test]
async fn the_printed_grants_are_enough_for_every_verb_and_each_right_is_needed() {
    let lab = Lab::new("grant_rights").await;
    apply(&lab, |_| true).await;
    let mark = lab.db.now().await.unwrap();
    everything(&lab, 12).await;
    let sent = longest(&lab, &mark).await;
    let rights = rights(&schema(&lab).await);
    assert!(rights.len() > 30, "{rights:?}");
    let needless = async |right: &Right| {
        without(&lab, &rights, Some(right)).await;
        let pool = pool(&lab);
        let mut connection = pool.get_conn().await.expect("a connection");
        let mut denied = None;
        for sql in sent.values().filter(|sql| sql.contains(&right.table)) {
            match connection.prep(sql).await.map_err(|error| error.to_string()) {
                Err(error) if error.contains("denied") => denied = Some(error),
                Err(error) => panic!("{error}: {sql}"),
                Ok(statement) => connection.close(statement).await.expect("a statement"),
            }
            if denied.is_some() {
                break;
            }
        }
        drop(connection);
        pool.disconnect().await.expect("a connection");
        denied.is_none()
    };
    let mut unused = Vec::new();
    for right in &rights {
        if needless(right).await {
            unused.push(right);
        }
    }
    assert_eq!(unused, Vec::<&Right>::new(), "rights that no statement needs");
}

/// The program says which right is missing, and where to get it. What it cannot do it leaves, whole.
#[tokio::test]
async fn each_missing_right_is_named_together_with_the_verb_schema() {
    let lab = Lab::new("grant_each").await;
    example(&lab).await;
    apply(&lab, |_| true).await;
    let dns = lab.dns().await;
    dns.pdnsutil(&["secure-zone", "domain.com"]).unwrap();
    lab.db.insert("domain.com", "x.web0.domain.com", "A", "198.51.100.1", 300).await.unwrap();
    dns.pdnsutil(&["rectify-zone", "domain.com"]).unwrap();
    let rights = rights(&schema(&lab).await);
    // Of these, and of making the owner's line, the pass below has no need.
    let other = ["cs_powerdns_approval", "cs_powerdns_budget"];
    let spared = |right: &Right| {
        other.contains(&&*right.table) || (&*right.table, &*right.verb) == ("cs_powerdns_owner", "INSERT")
    };
    let mut told: Vec<(&str, &str)> = Vec::new();
    let mut id: Option<String> = None;
    for (round, right) in rights.iter().filter(|right| !spared(right)).enumerate() {
        // One column of a table stands for all: each is needed by the test above.
        if told.contains(&(&right.table, &right.verb)) {
            continue;
        }
        told.push((&right.table, &right.verb));
        // In each round everything is to be done: a name goes and one comes, one of them an empty
        // non-terminal by turns, and the TTL changes.
        without(&lab, &rights, None).await;
        sync(&lab, &[]).await;
        without(&lab, &rights, Some(right)).await;
        if let Some(id) = id {
            lab.world().destroy_vm(&id);
        }
        let web = vm(&format!("web{}", round % 2), "192.0.2.10").v6("2001:db8::10");
        id = Some(lab.world().create_vm(web));
        lab.world().create_vm(vm(&format!("stays{round}"), &format!("192.0.2.{}", round + 20)));
        let ttl = (61 + round).to_string();
        // Without a look at the ledger everything would seem to be an operator's.
        if (&*right.table, &*right.verb) == ("cs_powerdns_ledger", "SELECT") {
            let plan = once(&lab, &["plan"], &[]).await;
            assert_eq!(plan.code, 1, "{right:?}: {}\n{}", plan.stdout, plan.stderr);
            assert!(plan.stderr.contains("cs-powerdns schema"), "{}", plan.stderr);
        }
        let output = once(&lab, &["sync"], &[("DNS_RECORD_TTL", &ttl)]).await;
        // A history that nobody can read or shorten hurts no record.
        let harmless = right.table == "cs_powerdns_history" && right.verb != "INSERT";
        let said = format!("{right:?}: {}\n{}", output.stdout, output.stderr);
        assert_eq!(output.code, i32::from(!harmless), "{said}");
        for word in ["cs-powerdns schema", &*right.table].into_iter().chain(right.column.as_deref()) {
            assert!(output.stderr.contains(word), "`{word}` should be said. {said}");
        }
    }
    without(&lab, &rights, None).await;
    sync(&lab, &[]).await;
    answers(&lab, "stays0.domain.com", "A", &["192.0.2.20"]).await;
    let name = format!("{}.domain.com", lab.world().vm(&id.unwrap()).unwrap().name);
    answers(&lab, &name, "AAAA", &["2001:db8::10"]).await;
    super::rules_support::rectified(&lab, "domain.com").await;
}

#[tokio::test]
async fn without_tables_and_the_right_to_make_them_sync_names_schema() {
    let lab = Lab::new("no_tables").await;
    example(&lab).await;
    apply(&lab, |sql| !sql.contains("cs_powerdns_")).await;
    lab.world().create_vm(vm("web", "192.0.2.10"));
    let output = once(&lab, &["sync"], &[]).await;
    assert_eq!(output.code, 1, "{}{}", output.stdout, output.stderr);
    assert!(output.stderr.contains("cs-powerdns schema"), "{}", output.stderr);
    let plan = once(&lab, &["plan"], &[]).await;
    assert_eq!(plan.code, 2, "plan works without tables: {}{}", plan.stdout, plan.stderr);
    assert!(plan.stdout.contains("web.domain.com"), "{}", plan.stdout);
    assert_eq!(our_tables(&lab).await, 0, "nothing was created");
    // `run` waits for an administrator, and goes on once he has been there.
    let mut controller = super::support::start(&lab, &[]);
    super::support::readiness(&controller, 503, "not ready").await;
    testbed::poll("the log names the verb `schema`", LIMIT, async || {
        let output = controller.output();
        if output.contains("cs-powerdns schema") { Ok(()) } else { Err(output) }
    })
    .await;
    apply(&lab, |_| true).await;
    controller.wait_ready(LIMIT).await.unwrap();
    answers(&lab, "web.domain.com", "A", &["192.0.2.10"]).await;
}

#[tokio::test]
async fn plan_creates_nothing_even_where_it_could() {
    let lab = Lab::new("plan_creates_nothing").await;
    example(&lab).await;
    lab.world().create_vm(vm("web", "192.0.2.10"));
    let plan = once(&lab, &["plan"], &[]).await;
    assert_eq!(plan.code, 2, "{}{}", plan.stdout, plan.stderr);
    assert_eq!(our_tables(&lab).await, 0, "plan created tables");
    assert_eq!(lab.writes_by_user(&[]).await, 0, "plan wrote: {:?}", lab.writes(&[]).await);
}
