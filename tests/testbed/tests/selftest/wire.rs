//! The faults of the wire are what they say they are.

use mysql_async::{Conn, Error, OptsBuilder, prelude::Queryable};
use testbed::{Lab, Strike, Wire, WireFault, wire::status};

async fn connect(lab: &Lab, wire: &Wire) -> Conn {
    let options = OptsBuilder::default()
        .ip_or_hostname("127.0.0.1")
        .tcp_port(wire.port)
        .user(Some(&lab.db.user))
        .pass(Some(&lab.db.password))
        .prefer_socket(false)
        .db_name(Some(&lab.db.name));
    Conn::new(options).await.unwrap()
}

/// One row in a transaction of its own: how its statements end, up to the first that fails.
async fn write(conn: &mut Conn, name: &str) -> Result<(), Error> {
    conn.query_drop("START TRANSACTION").await?;
    conn.exec_drop("INSERT INTO domains (name, type) VALUES (?, 'NATIVE')", (name,)).await?;
    conn.query_drop("COMMIT").await
}

async fn stands(lab: &Lab, name: &str) -> bool {
    let found: Vec<u32> =
        lab.db.query(&format!("SELECT COUNT(*) FROM domains WHERE name = '{name}'")).await.unwrap();
    found == [1]
}

#[tokio::test]
async fn testbed_wire_loses_what_it_says_and_nothing_else() {
    let lab = Lab::new("wire").await;
    let wire = Wire::mysql(lab.db.mysql.port, "uncounted").await.unwrap();
    for (name, statement, fault, stays) in [
        ("none.test", "", WireFault::Cut, true),
        ("cut.test", "COMMIT", WireFault::Cut, false),
        ("lost.test", "COMMIT", WireFault::Lost, true),
        ("half.test", "COMMIT", WireFault::Half, true),
        ("inside.test", "INSERT", WireFault::Lost, false),
        ("deadlock.test", "COMMIT", WireFault::Refused(1213), false),
    ] {
        let mut conn = connect(&lab, &wire).await;
        wire.arm((!statement.is_empty()).then_some(Strike::NthOf(statement, 1, fault)));
        let end = write(&mut conn, name).await;
        assert_eq!(end.is_err(), !statement.is_empty(), "{name}: {end:?}");
        assert_eq!(wire.struck().len(), usize::from(!statement.is_empty()), "{name}");
        drop(conn);
        assert_eq!(stands(&lab, name).await, stays, "{name}");
    }

    let mut conn = connect(&lab, &wire).await;
    wire.arm(Some(Strike::NthOf("INSERT", 3, WireFault::Refused(1205))));
    write(&mut conn, "first.test").await.unwrap();
    // Prepared before: its second execution.
    let end = write(&mut conn, "second.test").await;
    assert!(matches!(&end, Err(Error::Server(error)) if error.code == 1205), "{end:?}");
    conn.query_drop("SELECT 'uncounted'").await.unwrap();
    // Only the statement has failed: the transaction goes on.
    conn.query_drop("COMMIT").await.unwrap();
    assert!(stands(&lab, "first.test").await && !stands(&lab, "second.test").await);
    let log = wire.log();
    let insert = "INSERT INTO domains (name, type) VALUES (?, 'NATIVE')";
    let prepare = format!("PREPARE {insert}");
    let (begin, commit) = ("START TRANSACTION", "COMMIT");
    assert_eq!(log, [begin, &prepare, insert, commit, begin, insert, commit]);
    conn.disconnect().await.unwrap();
}

#[tokio::test]
async fn testbed_wire_counts_requests_of_http_and_holds_one() {
    let lab = Lab::new("wire_http").await;
    let wire = Wire::http(lab.sim.port()).await.unwrap();
    let url = format!("http://127.0.0.1:{}/client/api?command=listZones", wire.port);
    let client = reqwest::Client::new();
    let ask = async || client.get(&url).send().await.map(|answer| answer.status().as_u16());
    wire.arm(Some(Strike::Nth(2, WireFault::Answered(|_| status(530, "text/plain", "no")))));
    let seen = [ask().await.unwrap(), ask().await.unwrap(), ask().await.unwrap()];
    assert_eq!(seen, [401, 530, 401], "no key: the simulator itself says 401");
    assert_eq!(wire.log().len(), 3);
    wire.arm(Some(Strike::Nth(1, WireFault::Cut)));
    ask().await.unwrap_err();
    wire.arm(Some(Strike::Nth(1, WireFault::AnswerHeld)));
    let before = lab.sim.log().len();
    let (answer, ()) = tokio::join!(ask(), async {
        wire.holds().await;
        assert_eq!(lab.sim.log().len(), before + 1, "the server has done it");
        wire.release();
    });
    assert_eq!(answer.unwrap(), 401);
}
