//! What a process takes, over time.

use std::{fs, time::Instant};

/// Samples before this many seconds are of a process that is still getting warm.
const WARM: f64 = 600.0;
/// A run must be so much longer than that before its growth says anything.
const TELLS: f64 = 1200.0;
/// More than this in an hour, in KiB and in files, is a leak.
const MOST: [f64; 2] = [16.0 * 1024.0, 10.0];

pub struct Gauge {
    pid: u32,
    begun: Instant,
    /// Seconds, resident memory in KiB, open files.
    samples: Vec<(f64, [f64; 2])>,
}

impl Gauge {
    pub fn of(pid: u32) -> Self {
        Self { pid, begun: Instant::now(), samples: Vec::new() }
    }

    /// Takes a sample, while the process lives.
    pub fn read(&mut self) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let memory = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        let files = fs::read_dir(format!("/proc/{}/fd", self.pid)).map(Iterator::count);
        if let (Some(memory), Ok(files)) = (memory, files) {
            let files = f64::from(u32::try_from(files).unwrap_or(u32::MAX));
            self.samples.push((self.begun.elapsed().as_secs_f64(), [memory, files]));
        }
    }

    /// The growth in an hour, between the first and the last third of the samples from a second on: of what a
    /// process takes at least, since what it takes at most comes and goes with what fails.
    fn growth(&self, which: usize, from: f64) -> Option<f64> {
        let of: Vec<_> = self.samples.iter().filter(|(time, _)| *time >= from).collect();
        let (first, last) = (of.get(..of.len() / 3)?, of.get(of.len() - of.len() / 3..)?);
        let low = |part: &[&(f64, [f64; 2])]| {
            let mut values: Vec<f64> = part.iter().map(|(_, values)| values[which]).collect();
            values.sort_by(f64::total_cmp);
            values.get(values.len() / 10).copied()
        };
        let hours = (last.first()?.0 - first.first()?.0) / 3600.0;
        Some((low(last)? - low(first)?) / hours)
    }

    /// One value of each tenth of the time.
    fn course(&self, which: usize) -> String {
        let step = self.samples.len().div_ceil(10).max(1);
        let of = self.samples.iter().step_by(step).chain(self.samples.last());
        of.map(|(_, values)| format!("{:.0}", values[which] / SCALE[which])).collect::<Vec<_>>().join(" ")
    }

    /// Prints it all; what is wrong.
    pub fn judge(&self) -> Vec<String> {
        let mut wrongs = Vec::new();
        for (which, what) in ["resident memory, MiB", "open files"].into_iter().enumerate() {
            let scale = SCALE[which];
            let most = self.samples.iter().map(|(_, values)| values[which]).fold(0.0, f64::max);
            let [all, warm] =
                [0.0, WARM].map(|from| self.growth(which, from).map_or(f64::NAN, |growth| growth / scale));
            println!(
                "{what}: at most {:.1}, {all:+.2} an hour, without the first ten minutes {warm:+.2}; {}",
                most / scale,
                self.course(which)
            );
            let long = self.samples.last().is_some_and(|(time, _)| *time >= WARM + TELLS);
            if long && warm * scale > MOST[which] {
                wrongs.push(format!("{what}: it grows by {warm:.2} an hour"));
            }
        }
        println!("samples: {}", self.samples.len());
        wrongs
    }
}

const SCALE: [f64; 2] = [1024.0, 1.0];
