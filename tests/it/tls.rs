//! Transport: whose certificate is taken, and whose is not, towards the API, the database, PowerDNS's web
//! servers and Kafka.

use super::{
    flush_support::{FakeWeb, KEY},
    support::{EVENTS_ONLY, LIMIT, answers, example, metric_reaches, once, serve, serve_events, start, vm},
};
use testbed::{
    Certificates, Lab, MariaDb, MariaDbOptions, Output, PdnsDb, Tansu, TlsProxy, broker::Publisher, poll,
    watchdog::free_port,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// The port of `http://127.0.0.1:PORT...`.
fn port_of(url: &str) -> u16 {
    let (_, rest) = url.rsplit_once(':').expect("a port");
    rest.split('/').next().and_then(|port| port.parse().ok()).expect("a port")
}

/// `plan` has asked everybody and found one VM to write for.
fn worked(what: &str, output: &Output) {
    assert!(output.code == 2 && output.stdout.contains("web.domain.com"), "{what}: {output:?}");
}

/// `plan` was refused with these words, and has planned nothing.
fn refused(what: &str, output: &Output, words: &str) {
    let clean = output.code == 1 && !output.stdout.contains("web.domain.com");
    assert!(clean && output.stderr.contains(words), "{what} should be refused with `{words}`: {output:?}");
}

#[tokio::test]
async fn the_api_s_certificate_must_be_of_a_known_authority_for_this_host_and_in_its_time() {
    let lab = Lab::new("tls_api").await;
    example(&lab).await;
    lab.world().create_vm(vm("web", "192.0.2.10"));
    let made = Certificates::new().unwrap();
    let (ca, stranger) = (made.authority("ca"), made.authority("stranger"));
    let simulator = port_of(&lab.sim.endpoint());
    let ends_in = "TLS with the API failed";
    for (what, host, days, files, good) in [
        ("an authority that CS_CA_FILE names", "localhost", 2, &[("CS_CA_FILE", &ca)][..], true),
        ("one that the system knows", "localhost", 2, &[("SSL_CERT_FILE", &ca)], true),
        (
            "CS_CA_FILE besides the system's",
            "localhost",
            2,
            &[("SSL_CERT_FILE", &ca), ("CS_CA_FILE", &stranger)],
            true,
        ),
        ("one that nobody knows", "localhost", 2, &[], false),
        ("another than CS_CA_FILE names", "localhost", 2, &[("CS_CA_FILE", &stranger)], false),
        ("another host's certificate", "elsewhere.example", 2, &[("CS_CA_FILE", &ca)], false),
        ("a certificate of yesterday", "localhost", -1, &[("CS_CA_FILE", &ca)], false),
    ] {
        let identity = made.server("api", host, days).unwrap();
        let proxy = TlsProxy::start(&identity, simulator).await.unwrap();
        let endpoint = format!("https://localhost:{}/client/api", proxy.port);
        let mut settings = vec![("CS_ENDPOINT", endpoint.as_str())];
        settings.extend(files.iter().map(|(name, file)| (*name, file.as_str())));
        let output = once(&lab, &["plan"], &settings).await;
        if good { worked(what, &output) } else { refused(what, &output, ends_in) }
    }
    // A server that speaks no TLS at all.
    let endpoint = format!("https://localhost:{simulator}/client/api");
    refused("no TLS", &once(&lab, &["plan"], &[("CS_ENDPOINT", &endpoint)]).await, ends_in);
}

/// A MariaDB with TLS in which the controller's user must use it.
async fn tls_database(made: &Certificates) -> (MariaDb, Lab) {
    let identity = made.server("db", "localhost", 2).expect("a certificate");
    let extra = [
        format!("--ssl-ca={}", made.authority("ca")),
        format!("--ssl-cert={}", identity.certificate.display()),
        format!("--ssl-key={}", identity.key.display()),
    ];
    let options = MariaDbOptions { extra: extra.into(), ..MariaDbOptions::default() };
    let server = MariaDb::new(options).expect("MariaDB starts with TLS");
    let lab = Lab::on(server.mysql(), "tls_mysql").await.expect("a database");
    example(&lab).await;
    require_ssl(&lab.db).await;
    (server, lab)
}

async fn require_ssl(db: &PdnsDb) {
    db.exec(&format!("ALTER USER '{}'@'%' REQUIRE SSL", db.user)).await.expect("it has TLS");
}

#[tokio::test]
async fn each_tls_mode_of_the_database_is_what_mysql_s_word_says() {
    let made = Certificates::new().unwrap();
    let (ca, stranger) = (made.authority("ca"), made.authority("stranger"));
    let (_server, with_tls) = tls_database(&made).await;
    let without = Lab::new("tls_none").await;
    example(&without).await;
    for lab in [&with_tls, &without] {
        lab.world().create_vm(vm("web", "192.0.2.10"));
    }
    // The certificate is for `localhost`, which is 127.0.0.1.
    for (mode, host, file, of_tls, of_none) in [
        ("disabled", "localhost", None, false, true),
        ("preferred", "localhost", None, true, true),
        ("required", "localhost", None, true, false),
        ("required", "127.0.0.1", Some(&stranger), true, false),
        ("verify-ca", "localhost", Some(&ca), true, false),
        ("verify-ca", "127.0.0.1", Some(&ca), true, false),
        ("verify-ca", "localhost", Some(&stranger), false, false),
        ("verify-ca", "localhost", None, false, false),
        ("verify-identity", "localhost", Some(&ca), true, false),
        ("verify-identity", "127.0.0.1", Some(&ca), false, false),
        ("verify-identity", "localhost", Some(&stranger), false, false),
    ] {
        let mut settings = vec![("MYSQL_PDNS_TLS", mode), ("MYSQL_PDNS_HOST", host)];
        settings.extend(file.map(|file| ("MYSQL_PDNS_CA_FILE", file.as_str())));
        for (lab, server, good) in [(&with_tls, "with", of_tls), (&without, "without", of_none)] {
            let what = format!("MYSQL_PDNS_TLS={mode} to {host} {server} TLS, {file:?}");
            let output = once(lab, &["plan"], &settings).await;
            if good { worked(&what, &output) } else { refused(&what, &output, "cannot connect to MySQL at") }
        }
    }
}

#[tokio::test]
async fn powerdns_s_web_server_is_told_by_https_if_its_authority_is_known() {
    let made = Certificates::new().unwrap();
    let (ca, stranger) = (made.authority("ca"), made.authority("stranger"));
    for (file, good) in [
        (("PDNS_API_CA_FILE", &ca), true),
        (("SSL_CERT_FILE", &ca), true),
        (("PDNS_API_CA_FILE", &stranger), false),
    ] {
        let lab = Lab::new("tls_web").await;
        example(&lab).await;
        let web = FakeWeb::start(200).await;
        let identity = made.server("web", "localhost", 2).unwrap();
        let proxy = TlsProxy::start(&identity, port_of(&web.url)).await.unwrap();
        let url = format!("https://localhost:{}", proxy.port);
        let settings = [("PDNS_API_URL", url.as_str()), ("PDNS_API_KEY", KEY), (file.0, file.1.as_str())];
        lab.world().create_vm(vm("web", "192.0.2.10"));
        let controller = serve(&lab, &settings).await;
        let sample = if good { "cs_powerdns_pdns_flushes_total" } else { "cs_powerdns_pdns_errors_total" };
        metric_reaches(&controller, &format!("{sample}{{server=\"{url}\"}}"), 1.0).await;
        if good {
            poll("the web server is asked", LIMIT, async || {
                if web.asked().is_empty() { Err("nothing".to_owned()) } else { Ok(()) }
            })
            .await;
        } else {
            assert!(web.asked().is_empty(), "whoever has no certificate of ours learns no key");
        }
    }
}

#[tokio::test]
async fn events_come_over_tls_from_a_broker_whose_authority_is_known() {
    let made = Certificates::new().unwrap();
    let (ca, stranger) = (made.authority("ca"), made.authority("stranger"));
    let identity = made.server("kafka", "localhost", 2).unwrap();
    let (outside, inside) = (free_port(), free_port());
    let tansu = Tansu::start_at(inside, &format!("localhost:{outside}")).expect("Tansu starts");
    TlsProxy::start_at(outside, &identity, inside).await.unwrap();
    let lab = Lab::new("tls_kafka").await;
    example(&lab).await;
    let secure =
        |file: &str| format!("{},security.protocol=ssl,ssl.ca.location={file}", Tansu::kafka_config());
    let settings = |file: &str| {
        vec![
            ("KAFKA_BOOTSTRAP", format!("localhost:{outside}")),
            ("KAFKA_TOPIC", lab.topic.clone()),
            ("KAFKA_CONFIG", secure(file)),
        ]
    };
    // The test's own clients go the same way: whoever asks is told the way from outside.
    let bootstrap = format!("localhost:{outside}");
    let ours =
        [("bootstrap.servers", bootstrap.as_str()), ("security.protocol", "ssl"), ("ssl.ca.location", &ca)];
    tansu.create_topic_over(&lab.topic, 3, &ours).await.expect("a topic");
    lab.world().publish_to(Publisher::with(&ours).expect("a producer").sink(&lab.topic));

    let wrong = settings(&stranger);
    let wrong: Vec<(&str, &str)> = wrong.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let controller = serve(&lab, &wrong).await;
    metric_reaches(&controller, "cs_powerdns_trigger_errors_total", 1.0).await;
    metric_reaches(&controller, "cs_powerdns_trigger_partitions", 0.0).await;
    poll("the log says what is wrong", LIMIT, async || {
        let log = controller.output();
        if log.contains("certificate verify failed") { Ok(()) } else { Err(log) }
    })
    .await;
    drop(controller);

    let right = settings(&ca);
    let mut right: Vec<(&str, &str)> = right.iter().map(|(name, value)| (*name, value.as_str())).collect();
    right.extend(EVENTS_ONLY);
    let controller = serve_events(&lab, &right).await;
    lab.world().create_vm(vm("web", "192.0.2.10"));
    answers(&lab, "web.domain.com", "A", &["192.0.2.10"]).await;
    drop(controller);
}

/// The first words of a broker to a client that asks for its versions (request 18), until the client asks for a
/// SASL mechanism (request 17): that request.
async fn sasl_handshake(mut stream: TcpStream) -> std::io::Result<Vec<u8>> {
    loop {
        let mut request = vec![0; usize::try_from(stream.read_u32().await?).unwrap_or_default().min(4096)];
        stream.read_exact(&mut request).await?;
        let (key, version, correlation) = (&request[..2], &request[2..4], &request[4..8]);
        if key == [0, 17] {
            return Ok(request);
        }
        // Version 0 of the answer alone is told; a newer one is refused with error 35, and asked again so.
        let error: &[u8] = if version == [0, 0] { &[0, 0] } else { &[0, 35] };
        let mut answer = [correlation, error, &[0, 0, 0, 3]].concat();
        for (key, most) in [(3_u8, 4_u8), (17, 1), (18, 0)] {
            answer.extend([0, key, 0, 0, 0, most]);
        }
        stream.write_u32(u32::try_from(answer.len()).unwrap_or_default()).await?;
        stream.write_all(&answer).await?;
    }
}

/// No broker here knows SASL; what librdkafka asks one that listens shows that it was built with it.
#[tokio::test]
async fn sasl_is_spoken_with_the_mechanism_that_is_asked_for() {
    let lab = Lab::new("sasl").await;
    example(&lab).await;
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let bootstrap = listener.local_addr().unwrap().to_string();
        let config = format!(
            "security.protocol=sasl_plaintext,sasl.mechanism={mechanism},sasl.username=u,sasl.password=p"
        );
        let settings = [("KAFKA_BOOTSTRAP", bootstrap.as_str()), ("KAFKA_CONFIG", &config)];
        let controller = start(&lab, &settings);
        let asked = async {
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                if let Ok(request) = sasl_handshake(stream).await {
                    return request;
                }
            }
        };
        let asked = tokio::time::timeout(LIMIT, asked).await;
        let asked = asked.unwrap_or_else(|_| panic!("{mechanism} is not asked for: {}", controller.output()));
        assert!(asked.ends_with(mechanism.as_bytes()), "{mechanism}: {}", String::from_utf8_lossy(&asked));
    }
}

/// Each of these would lose events, or run code or a protocol that is not the program's.
#[tokio::test]
async fn properties_of_kafka_that_are_the_program_s_are_refused_by_name_and_their_values_are_not_shown() {
    let lab = Lab::new("kafka_config").await;
    for key in [
        "enable.auto.commit",
        "auto.commit.enable",
        "enable.auto.offset.store",
        "auto.offset.reset",
        "enable.partition.eof",
        "group.id",
        "bootstrap.servers",
        "metadata.broker.list",
        "plugin.library.paths",
        "rebalance_cb",
        "opaque",
        "interceptors",
    ] {
        let config = format!("sasl.password=S3cret-of-kafka,{key}=S3cret-value");
        let settings = [("KAFKA_BOOTSTRAP", "127.0.0.1:1"), ("KAFKA_CONFIG", config.as_str())];
        let output = once(&lab, &["run"], &settings).await;
        assert_eq!(output.code, 1, "{key}: {output:?}");
        assert!(output.stderr.contains("KAFKA_CONFIG: ") && output.stderr.contains(key), "{key}: {output:?}");
        assert!(!format!("{output:?}").contains("S3cret"), "{key}: {output:?}");
    }
}
