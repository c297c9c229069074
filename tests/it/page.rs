//! The page at `/` in a browser: what an operator sees at three in the morning, with a town in trouble and
//! tenants who write HTML.

use super::{
    rules_support::sql,
    support::{LIMIT, answers, example, once, serve, sync, vm},
};
use serde_json::Value;
use testbed::{Browser, Controller, Lab, VmSpec, poll};

/// What nobody announced is held.
const ENV: [(&str, &str); 1] = [("DNS_MAX_LOSS_PERCENT", "0")];
/// What a tenant hopes that the operator's browser runs.
const SCRIPT: &str = "<script>document.title='owned'</script>";
const PICTURE: &str = "<img src=x onerror=\"document.title='owned'\">";
/// So many VMs wait for a zone: more than a page has.
const LOST: usize = 130;

fn tenant(lab: &Lab, name: &str, suffix: &str) -> String {
    lab.world().add_account(&lab.world().root(), name, Some(suffix))
}

/// A town with something in most lists; the id of the VM that waits.
async fn town(lab: &Lab) -> String {
    example(lab).await;
    lab.db.zone("nobody.org").await.expect("a zone");
    lab.db.zone_of("slave.org", "SLAVE", 1).await.expect("a zone");
    let world = lab.world();
    world.create_vm(VmSpec {
        v6: Some("2001:db8::1".into()),
        group: Some(PICTURE.into()),
        ..vm("web", "192.0.2.1")
    });
    world.create_vm(vm("www", "192.0.2.2"));
    lab.db.insert("domain.com", "www.domain.com", "A", "203.0.113.1", 300).await.expect("a row");
    lab.db.insert("domain.com", "same.domain.com", "A", "192.0.2.9", 300).await.expect("a row");
    world.create_vm(vm("same", "192.0.2.9"));
    let twin = |at: u8| {
        let created = Some(format!("2026-01-0{at}T00:00:00+0000"));
        world.create_vm(VmSpec { created, ..vm("twin", &format!("192.0.2.4{at}")) })
    };
    let (_, waiter) = (twin(1), twin(2));
    world.create_vm(vm(SCRIPT, "192.0.2.3"));
    let evil = tenant(lab, "evil", "\"><script>document.title='owned'</script>.org");
    world.create_vm(VmSpec::new("lord", &evil).v4("192.0.2.4"));
    let slave = tenant(lab, "slave", "slave.org");
    world.create_vm(VmSpec::new("serf", &slave).v4("192.0.2.5"));
    let lost = tenant(lab, "lost", "nozone.org");
    for at in 1..=LOST {
        world.create_vm(VmSpec::new(&format!("lost{at:03}"), &lost).v4(&format!("198.51.100.{at}")));
    }
    let edited = world.create_vm(vm("edited", "192.0.2.6"));
    let renamed = world.create_vm(vm("old", "192.0.2.7"));
    sync(lab, &[("DNS_MAX_LOSS_PERCENT", "100")]).await;
    sql(lab, "UPDATE records SET ttl = 300 WHERE name = 'edited.domain.com'").await;
    world.destroy_vm(&edited);
    world.expunge_vm(&edited);
    sync(lab, &[("DNS_MAX_LOSS_PERCENT", "100")]).await;
    world.silent().rename_vm(&renamed, "new");
    waiter
}

async fn at_rest(controller: &Controller) {
    poll("nothing is left to do but what is held", LIMIT, async || {
        let (_, status) = controller.get("/status").await.map_err(|error| format!("{error:#}"))?;
        let status: Value = serde_json::from_str(&status).map_err(|error| error.to_string())?;
        let rest = status["dirty_names"] == 0 && status["held"] == 2 && status["left_behind_total"] == 1;
        if rest { Ok(()) } else { Err(format!("{status}")) }
    })
    .await;
}

/// Waits until the page shows all of this: a click returns before the page that it leads to is there.
async fn shows(browser: &Browser, words: &[&str]) {
    poll(&format!("the page shows {words:?}"), LIMIT, async || {
        let text = browser.texts("body").await.map_err(|error| format!("{error:#}"))?.concat();
        match words.iter().find(|word| !text.contains(**word)) {
            None => Ok(()),
            Some(word) => Err(format!("no `{word}` on\n{text}")),
        }
    })
    .await;
}

/// Waits until the elements that a CSS selector finds read like this.
async fn reads(browser: &Browser, css: &str, expected: &[&str]) {
    poll(&format!("`{css}` reads {expected:?}"), LIMIT, async || {
        let texts = browser.texts(css).await.map_err(|error| format!("{error:#}"))?;
        if texts == expected { Ok(()) } else { Err(format!("{texts:?}")) }
    })
    .await;
}

/// Waits until a list has so many lines.
async fn lines(browser: &Browser, list: &str, expected: usize) {
    poll(&format!("{expected} lines in the list {list}"), LIMIT, async || {
        let lines =
            browser.run(&format!("return document.querySelectorAll('#{list} tbody tr').length")).await;
        let lines = lines.map_err(|error| format!("{error:#}"))?;
        if lines == expected { Ok(()) } else { Err(format!("{lines}")) }
    })
    .await;
}

/// The console is silent, no script has run, and nothing that a tenant typed has become an element.
async fn harmless(browser: &Browser) {
    let url = browser.url().await.expect("an address");
    assert_eq!(browser.console().await.expect("a console"), Vec::<String>::new(), "the console of {url}");
    let title = browser.title().await.expect("a title");
    assert!(title.ends_with("cs-powerdns"), "the title of {url}: {title}");
    for css in ["script", "img", "iframe", "[onerror]", "body style"] {
        let found = browser.texts(css).await.expect("elements");
        assert_eq!(found, Vec::<String>::new(), "elements `{css}` of {url}");
    }
}

/// Pictures of the page for somebody to look at, where CS_POWERDNS_TEST_PICTURES names a folder for them.
async fn pictures(browser: &Browser, what: &str) {
    let folder = std::env::var_os("CS_POWERDNS_TEST_PICTURES").map(std::path::PathBuf::from);
    for (width, height, size) in [(1280, 900, "wide"), (390, 844, "narrow")] {
        for (dark, colours) in [(false, "light"), (true, "dark")] {
            browser.screen(width, height, dark).await.expect("a screen");
            let seen = browser
                .run("return [document.documentElement.scrollWidth, innerWidth]")
                .await
                .expect("widths");
            assert!(
                seen[0].as_u64() <= seen[1].as_u64(),
                "{what} on a {size} screen has to be moved sideways: {seen}"
            );
            let ground = browser.run("return getComputedStyle(document.body).backgroundColor").await;
            let expected = if dark { "rgb(13, 17, 23)" } else { "rgb(255, 255, 255)" };
            assert_eq!(ground.expect("a colour"), expected, "{what} on a {size} screen, {colours}");
            if let Some(folder) = &folder {
                let picture = browser.picture().await.expect("a picture");
                std::fs::write(folder.join(format!("{what}-{size}-{colours}.png")), picture).expect("a file");
            }
        }
    }
    browser.screen(1280, 900, false).await.expect("a screen");
}

#[tokio::test]
async fn an_operator_sees_finds_and_understands_a_conflict_in_a_browser() {
    let lab = Lab::new("page").await;
    let waiter = town(&lab).await;
    let controller = serve(&lab, &ENV).await;
    at_rest(&controller).await;
    let browser = Browser::start().await.expect("a browser");
    let root = format!("http://{}/", lab.env()["HTTP_LISTEN"]);

    // At a glance: who writes, what is held, what is not as desired.
    browser.open(&root).await.expect("the page");
    let plan = once(&lab, &["plan"], &ENV).await.stdout;
    let approve = plan.split("cs-powerdns approve ").nth(1).and_then(|rest| rest.split_whitespace().next());
    let approve = format!("cs-powerdns approve {}", approve.expect("a held set"));
    shows(
        &browser,
        &[
            "ready holder, epoch",
            "The loss of 2 records is held",
            &approve,
            "www.domain.com",
            "foreign: A 203.0.113.1",
            "Pending: 130",
            "120 more",
            SCRIPT,
            "nozone.org",
            "Left behind: 1",
            "Zones: ",
            "SLAVE, unsigned",
            "no: the zone's type is Secondary",
        ],
    )
    .await;
    reads(&browser, ".alarm code", &[&approve]).await;
    lines(&browser, "pending", 10).await;
    let styled =
        browser.run("return getComputedStyle(document.querySelector('.alarm')).borderLeftWidth").await;
    assert_eq!(styled.expect("a style"), "4px", "the page has its style");
    let bars = browser.run("return document.querySelectorAll('svg rect').length").await.expect("a number");
    assert!(bars.as_u64() >= Some(2), "the plots have bars: {bars}");
    harmless(&browser).await;
    pictures(&browser, "page").await;

    // Search finds the conflict, and the link explains it.
    browser.fill("header input", "WWW.domain.com.").await.expect("a field");
    browser.click("header button:not([formaction])").await.expect("a button");
    reads(&browser, "section:not(#zones) tbody tr td:first-child", &["www.domain.com"]).await;
    harmless(&browser).await;
    browser.click("#blocked tbody tr td:first-child a").await.expect("a link");
    shows(
        &browser,
        &[
            "explain www.domain.com",
            "www.domain.com is blocked: name of VM",
            "delete that row, or cs-powerdns adopt www.domain.com",
            "A 203.0.113.1 (TTL 300): not ours",
        ],
    )
    .await;
    harmless(&browser).await;
    pictures(&browser, "explained").await;
    browser.fill("header input", "web").await.expect("a field");
    browser.click("header button[formaction]").await.expect("a button");
    shows(&browser, &["web.domain.com is served", PICTURE, "AAAA 2001:db8::1"]).await;
    harmless(&browser).await;

    // All this without a script of ours, too; a list of its own has pages.
    browser.scripts(false).await.expect("no scripts");
    browser.open(&format!("{root}?list=pending&page=2")).await.expect("the page");
    lines(&browser, "pending", 30).await;
    shows(&browser, &["page 2 of 2", "lost101", "lost130"]).await;
    browser.click("a[rel=prev]").await.expect("a link");
    lines(&browser, "pending", 100).await;
    browser.fill(".within input[type=search]", "lost09").await.expect("a field");
    browser.click(".within button").await.expect("a button");
    shows(&browser, &["Pending: 10 of 130"]).await;
    pictures(&browser, "list").await;
    browser.open(&format!("{root}?q={waiter}")).await.expect("the page");
    shows(&browser, &["Contended: 1", "twin.domain.com", "held by VM"]).await;
    for (query, says) in [
        ("?q=%3Cscript%3Edocument.title%3D%27owned%27%3C/script%3E", "Rejected: 2 of 3"),
        ("?q=%22%3E%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E", "is listed here"),
        ("explain?q=%3Cscript%3Edocument.title%3D%27owned%27%3C/script%3E", "bad name"),
        ("explain?q=%00", "neither a DNS name"),
        ("explain", "neither a DNS name"),
        ("?list=zones&q=nobody", "nobody.org"),
        ("?list=overflow", "Left out of a group: none"),
        ("?list=nothing&page=99999999999999999999&q=", "Not as desired"),
    ] {
        browser.open(&format!("{root}{query}")).await.expect("a page");
        shows(&browser, &[says]).await;
        let console = browser.console().await.expect("a console");
        // That the answer is an error is told there, too.
        let errors = console.iter().filter(|line| !line.contains("400 (Bad Request)"));
        assert_eq!(errors.count(), 0, "{query}: {console:?}");
        assert!(browser.title().await.expect("a title").ends_with("cs-powerdns"), "{query}");
    }
    answers(&lab, "www.domain.com", "A", &["203.0.113.1"]).await;
}
