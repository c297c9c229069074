//! Where everything happens: one clock, one order of events.

use super::{
    cloud::{ApiModel, Cloud},
    promises::Losses,
    scene::{APART, Happened, Point, RESYNC, Scene, Slot, Trap, Weather},
    server::TablesModel,
    tables::State,
};
use crate::{
    desired,
    metrics::{Metrics, chain},
    model::Ttl,
    observe::Board,
    plan::{self, Mode},
    reconcile::{Aim, Engine, Parts, Settings},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

/// The handle that everybody has.
#[derive(Clone)]
pub struct Stage(Arc<Mutex<Scene>>);

impl Stage {
    /// Two controllers, the first of which has the lease.
    pub fn open() -> Self {
        let scene = Scene {
            cloud: Cloud::new(),
            state: State::new(),
            next_row: 100,
            locks: BTreeMap::new(),
            transactions: 0,
            waiting: vec![],
            traps: vec![],
            slots: vec![],
            holder: 0,
            started: Instant::now(),
            wanted: vec![],
            unsettled: None,
            knowledge: BTreeMap::new(),
            engines: 0,
            losses: Losses::default(),
            broken: None,
            happened: Happened::default(),
            trace: vec![],
        };
        let stage = Self(Arc::new(Mutex::new(scene)));
        for nth in 0..2 {
            let slot = stage.start(nth);
            stage.lock().slots.push(slot);
        }
        stage.lock().grant(0, true);
        stage.lock().watch();
        stage
    }

    pub fn lock(&self) -> MutexGuard<'_, Scene> {
        self.0.lock().unwrap()
    }

    fn start(&self, nth: usize) -> Slot {
        let (tenure_in, tenure) = mpsc::channel(64);
        let (deliveries_in, deliveries) = mpsc::channel(64);
        let plan = plan::Settings {
            owner: "default".into(),
            ttl: Ttl(60),
            mode: Mode::Sync,
            recreate: true,
            max_loss_percent: 30,
        };
        let common_zone = Some(super::text::name("c.org"));
        let settings = Settings {
            aim: Aim::Serve,
            desired: desired::Settings { common_zone, ..desired::Settings::default() },
            plan,
            adopt: None,
            unexplained: false,
            explain: None,
            resync_interval: RESYNC,
            resync_min_interval: APART,
        };
        let number = {
            let mut scene = self.lock();
            scene.engines += 1;
            scene.engines
        };
        let parts = Parts {
            client: ApiModel(self.clone(), number),
            database: TablesModel(self.clone(), number),
            board: Arc::new(Board::new(std::time::Instant::now())),
            metrics: Arc::new(Metrics::default()),
            deliveries,
            tenure,
            // Nobody asks.
            questions: mpsc::channel(1).1,
        };
        let mut engine = Engine::new(settings, parts);
        let stage = self.clone();
        engine.dice = 2 * (nth as u64) + 1;
        let engine = tokio::spawn(async move {
            if let Err(error) = engine.run(CancellationToken::new()).await {
                stage.lock().breaks(format!("a controller has ended: {}", chain(&error)));
            }
        });
        Slot { tenure: tenure_in, deliveries: deliveries_in, engine }
    }

    /// One line of a history.
    pub fn act(&self, line: &str) {
        let mut scene = self.lock();
        scene.happened.acts += 1;
        scene.tell(|| line.to_owned());
        if let Some((at, what)) = line.split_once(": ") {
            let words: Vec<&str> = at.split_whitespace().collect();
            let point = Point::WORDS.iter().find(|(word, _)| *word == words[1]).unwrap().1;
            scene.traps.push(Trap { point, left: words[2].parse().unwrap(), what: what.to_owned() });
            return;
        }
        let (holder, other) = (scene.holder, 1 - scene.holder);
        let done = match line {
            "take-over" => scene.grant(other, true),
            "take-over untold" => scene.grant(other, false),
            "crash" => {
                drop(scene);
                let fresh = self.start(holder);
                let mut scene = self.lock();
                let dead = std::mem::replace(&mut scene.slots[holder], fresh);
                dead.engine.abort();
                // Its lease runs out. Its locks go when the server notices.
                if !scene.grant(other, false) {
                    scene.waiting.push("take-over untold".to_owned());
                }
                return;
            }
            line => {
                scene.act(line);
                return;
            }
        };
        if !done {
            scene.waiting.push(line.to_owned());
        }
    }

    /// Those who waited for a lock go on.
    pub fn wake(&self) {
        let waiting = std::mem::take(&mut self.lock().waiting);
        for line in waiting {
            self.act(&line);
        }
    }

    /// The engine is at one of its points: time passes, and others act.
    pub async fn call(&self, point: Point, what: &str) -> Weather {
        let (mut weather, mut slow, mut acts) = (Weather::Fair, Duration::from_millis(1), vec![]);
        {
            let mut scene = self.lock();
            scene.happened.steps += 1;
            scene.tell(|| format!("    {point:?} {what}"));
            let mut sprung = vec![];
            scene.traps.retain_mut(|trap| {
                let here = trap.point == point;
                if here && trap.left == 0 {
                    sprung.push(trap.what.clone());
                    return false;
                }
                trap.left -= u32::from(here);
                true
            });
            for what in sprung {
                scene.tell(|| format!("      {what}"));
                match what.split_once(' ') {
                    _ if what == "fails" => weather = Weather::Foul,
                    _ if what == "refused" => weather = Weather::Refused,
                    Some(("slow", seconds)) => slow += Duration::from_secs(seconds.parse().unwrap()),
                    _ => acts.push(what),
                }
            }
        }
        for what in acts {
            self.act(&what);
        }
        sleep(slow).await;
        weather
    }
}
