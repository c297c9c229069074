//! What a server is told, second by second.

use super::*;

const ZONE: &str = "example.org";

fn name(text: &str) -> OwnerName {
    OwnerName::parse(text).unwrap()
}

fn names(from: usize, to: usize) -> Vec<OwnerName> {
    (from..to).map(|n| name(&format!("vm{n}.{ZONE}"))).collect()
}

/// A server, and a clock that the test moves.
struct Bench {
    due: Due,
    began: Instant,
    at: Duration,
    answer: Told,
    told: Vec<(f64, String)>,
}

impl Bench {
    fn new() -> Self {
        let (due, began) = (Due::default(), Instant::now());
        Self { due, began, at: Duration::ZERO, answer: Told::Yes, told: Vec::new() }
    }

    fn now(&self) -> Instant {
        self.began + self.at
    }

    fn note(&mut self, notifies: bool, names: &[OwnerName]) {
        self.due.note(&name(ZONE), false, notifies, names, self.now());
    }

    /// Tells all that is due until this second.
    fn until(&mut self, second: u64) {
        let end = self.began + Duration::from_secs(second);
        loop {
            while let Some(call) = self.due.take(self.now()) {
                let what = match &call.what {
                    What::Name(name) => format!("flush {name}"),
                    What::Zone => format!("flush {}", call.zone),
                    What::Notify => format!("notify {}", call.zone),
                };
                self.told.push((self.at.as_secs_f64(), what));
                self.due.done(call, self.answer, self.now());
            }
            match self.due.next().filter(|next| *next <= end) {
                Some(next) => {
                    assert!(next > self.now(), "it is due, and not told");
                    self.at = next - self.began;
                }
                None => break,
            }
        }
        self.at = Duration::from_secs(second);
    }

    /// What was told since the last call: `second what`.
    fn told(&mut self) -> Vec<String> {
        self.told.drain(..).map(|(at, what)| format!("{at} {what}")).collect()
    }
}

#[test]
fn the_first_change_after_idle_is_told_at_once_and_once_more() {
    let mut bench = Bench::new();
    for start in [0, 100] {
        bench.until(start);
        bench.note(false, &[name("a.example.org")]);
        bench.until(start + 60);
        let expected = [start, start + 5].map(|at| format!("{at} flush a.example.org"));
        assert_eq!(bench.told(), expected);
    }
    assert!(bench.due.zones.is_empty() && bench.due.agenda.is_empty(), "an idle zone is not forgotten");
}

#[test]
fn twenty_names_are_flushed_one_by_one_and_one_more_is_the_zone() {
    let mut bench = Bench::new();
    bench.note(false, &names(0, 20));
    bench.until(0);
    assert_eq!(bench.told().len(), 20);
    let mut bench = Bench::new();
    bench.note(false, &names(0, 21));
    bench.until(60);
    assert_eq!(bench.told(), ["0 flush example.org", "5 flush example.org"]);
}

#[test]
fn names_are_counted_over_ten_seconds() {
    let mut bench = Bench::new();
    bench.note(false, &names(0, 20));
    bench.until(4);
    assert_eq!(bench.told().len(), 20);
    bench.note(false, &names(20, 21));
    bench.until(9);
    assert_eq!(bench.told(), ["4 flush example.org", "9 flush example.org"], "the zone stands for its names");
    bench.until(11);
    bench.note(false, &names(21, 22));
    bench.until(30);
    assert_eq!(bench.told(), ["11 flush vm21.example.org", "16 flush vm21.example.org"]);
}

#[test]
fn a_busy_zone_is_flushed_every_ten_seconds_and_after_its_last_change() {
    let mut bench = Bench::new();
    for second in 0..=33 {
        bench.until(second);
        bench.note(false, &names(0, 30));
    }
    bench.until(90);
    // None at 5: newer changes waited, and the one at 10 stood in for it.
    let expected = [0, 10, 20, 30, 40, 45].map(|at| format!("{at} flush example.org"));
    assert_eq!(bench.told(), expected);
}

#[test]
fn a_primary_zone_is_flushed_before_its_notify() {
    let mut bench = Bench::new();
    bench.note(true, &[name("a.example.org")]);
    bench.until(60);
    let expected =
        ["0 flush example.org", "0 notify example.org", "5 flush example.org", "5 notify example.org"];
    assert_eq!(bench.told(), expected);
}

#[test]
fn notify_goes_every_fifteen_seconds_and_after_the_last_change() {
    let mut bench = Bench::new();
    for second in 0..=33 {
        bench.until(second);
        bench.note(true, &[name("a.example.org")]);
    }
    bench.until(90);
    let notified: Vec<_> = bench.told().into_iter().filter(|line| line.contains("notify")).collect();
    assert_eq!(notified, [0, 15, 30, 45, 50].map(|at| format!("{at} notify example.org")));
}

#[test]
fn a_name_of_a_primary_zone_does_not_wait_for_the_notify() {
    let mut bench = Bench::new();
    bench.note(true, &[name("a.example.org")]);
    bench.until(3);
    bench.told();
    bench.note(true, &[name("b.example.org")]);
    bench.until(4);
    assert_eq!(bench.told(), ["3 flush b.example.org"]);
}

#[test]
fn a_new_serial_alone_is_notified() {
    let mut bench = Bench::new();
    bench.note(true, &[]);
    bench.until(0);
    assert_eq!(bench.told(), ["0 flush example.org", "0 notify example.org"]);
}

#[test]
fn a_server_that_cannot_be_reached_is_left_alone_and_told_later() {
    let mut bench = Bench::new();
    bench.answer = Told::Unreached;
    bench.note(false, &names(0, 3));
    bench.until(40);
    let tries: Vec<_> = bench.told.drain(..).map(|(at, _)| at).collect();
    assert_eq!(tries, [0.0, 5.0, 15.0, 35.0], "the pause doubles");
    bench.note(true, &names(0, 50));
    bench.answer = Told::Yes;
    bench.until(80);
    assert_eq!(
        bench.told(),
        ["75 flush example.org", "75 notify example.org", "80 flush example.org", "80 notify example.org"]
    );
}

#[test]
fn a_refusal_is_not_repeated_at_once_and_does_not_keep_others() {
    let mut bench = Bench::new();
    bench.answer = Told::Refused;
    bench.note(true, &[name("a.example.org")]);
    bench.due.note(&name("example.net"), false, false, &[name("b.example.net")], bench.now());
    bench.until(90);
    assert_eq!(bench.told().len(), 6, "three requests, each once more");
}

#[test]
fn a_change_during_a_request_is_told_besides() {
    let mut bench = Bench::new();
    bench.note(true, &[]);
    let call = bench.due.take(bench.now()).unwrap();
    assert_eq!(call.what, What::Zone);
    bench.note(true, &[name("b.example.org")]);
    bench.due.done(call, Told::Yes, bench.now());
    bench.until(60);
    let told = bench.told();
    let notified: Vec<_> = told.iter().filter(|line| line.contains("notify")).collect();
    assert_eq!(notified, ["0 notify example.org", "15 notify example.org", "20 notify example.org"]);
    assert!(told.contains(&"0 flush b.example.org".to_owned()), "{told:?}");
}

#[test]
fn at_the_end_all_that_waits_goes_at_once_and_only_once() {
    let mut bench = Bench::new();
    bench.note(true, &names(0, 30));
    bench.until(1);
    bench.note(true, &names(0, 30));
    bench.until(2);
    bench.told();
    bench.due.hurry(bench.now());
    bench.until(2);
    assert_eq!(bench.told(), ["2 flush example.org", "2 notify example.org"]);
}

#[test]
fn what_waits_is_bounded() {
    let mut bench = Bench::new();
    bench.answer = Told::Unreached;
    for round in 0..50 {
        bench.note(false, &names(round * 10, round * 10 + 10));
        bench.until(round as u64);
    }
    let zone = &bench.due.zones[&name(ZONE)];
    assert!(zone.whole && zone.names.is_empty() && zone.names_again.is_empty());
    assert_eq!(bench.due.agenda.len(), 1);
}
