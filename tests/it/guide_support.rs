//! A guide of deploy/guides as a stranger works through it: its blocks of code in their order, run by a shell in
//! which `cs-powerdns`, `pdnsutil`, `dig`, `mysql` and `mysqldump` are the lab's.

use super::support::{LIMIT, PROGRAM, quick};
use std::{collections::HashMap, fmt::Write as _, fs, os::unix::fs::PermissionsExt, path::Path};
use testbed::{Controller, Lab, Output, powerdns_program, run_once, watchdog::TempDir, watchdog::program};

/// What a guide says that belongs to the reader's own world.
const DATABASE: &str = "pdns";

/// A guide that is being followed.
pub struct Guide<'a> {
    lab: &'a Lab,
    name: &'static str,
    /// Blocks of code, a line each; in a paragraph, what stands in quotes.
    steps: std::vec::IntoIter<String>,
    /// The environment, as far as the guide has come.
    pub env: HashMap<String, String>,
    folder: TempDir,
}

impl<'a> Guide<'a> {
    /// Opens it at its beginning.
    pub async fn open(lab: &'a Lab, name: &'static str) -> Self {
        let file = format!("{}/deploy/guides/{name}.md", env!("CARGO_MANIFEST_DIR"));
        let steps = steps(&fs::read_to_string(&file).expect("the guide")).into_iter();
        let folder = TempDir::new("guide").expect("a folder");
        shell(lab, folder.path()).await;
        let mut guide = Self { lab, name, steps, env: quick(lab, &[]), folder };
        let path = std::env::var("PATH").unwrap_or_default();
        guide.env.insert("PATH".into(), format!("{}:{path}", guide.folder.path().display()));
        guide
    }

    /// The next step, which must begin so: none is passed over.
    fn next(&mut self, begin: &str) -> String {
        let next = self.steps.next().unwrap_or_else(|| panic!("{}: it ends before `{begin}`", self.name));
        assert!(next.starts_with(begin), "{}: `{begin}` should be next, not `{next}`", self.name);
        next
    }

    /// Reads a step that a test follows by other means, or that only tells.
    pub fn reads(&mut self, begin: &str) -> String {
        self.next(begin)
    }

    /// Settings, a line each, up to that variable. Where the servers are, and with which secrets they are
    /// reached, is the lab's: a file of a secret holds the lab's.
    pub fn sets(&mut self, last: &str) {
        loop {
            let line = self.steps.next().unwrap_or_else(|| panic!("{}: no {last} is set", self.name));
            let (name, value) = line.split_once('=').unwrap_or_else(|| panic!("{}: {line}", self.name));
            if let Some(secret) = name.strip_suffix("_FILE")
                && let Some(value) = self.env.remove(secret)
            {
                let file = self.folder.path().join(name);
                fs::write(&file, value + "\n").expect("a file");
                self.env.insert(name.into(), file.display().to_string());
            } else if !self.env.contains_key(name) {
                self.env.insert(name.into(), value.into());
            }
            if name == last {
                return;
            }
        }
    }

    /// Runs a command line in a shell; its exit code must be this.
    pub async fn runs(&mut self, line: &str, code: i32) -> String {
        let next = self.next(line);
        assert_eq!(next, line, "{}", self.name);
        self.shell(line, code).await
    }

    /// The same for a line that is not the guide's.
    pub async fn shell(&self, line: &str, code: i32) -> String {
        let folder = self.folder.path().display();
        let output = run_once("/bin/sh", &["-euc", &format!("cd {folder}; {line}")], &self.env).await;
        let Output { code: found, stdout, stderr } = output.expect("a shell");
        assert_eq!(found, code, "{}: {line}\n{stdout}{stderr}", self.name);
        stdout
    }

    /// SQL, as an administrator.
    pub async fn sql(&mut self, begin: &str) {
        let statement = self.next(begin).replace(&format!("{DATABASE}."), &format!("{}.", self.lab.db.name));
        self.lab.db.exec(&statement).await.expect("the guide's SQL");
    }

    /// `cs-powerdns run`, perhaps with variables before it, until it is ready.
    pub async fn serves(&mut self, line: &str) -> Controller {
        let next = self.next(line);
        assert_eq!(next, line, "{}", self.name);
        let words: Vec<&str> = line.split_whitespace().collect();
        let [settings @ .., "cs-powerdns", "run"] = &words[..] else {
            panic!("{line}: no `cs-powerdns run`")
        };
        let mut env = self.env.clone();
        env.extend(settings.iter().map(|setting| {
            let (name, value) = setting.split_once('=').expect("NAME=VALUE");
            (name.to_owned(), value.to_owned())
        }));
        let mut controller = Controller::start(PROGRAM, &["run"], &env).expect("it starts");
        controller.wait_ready(LIMIT).await.expect("it becomes ready");
        controller
    }

    /// There is no step left.
    pub fn ends(mut self) {
        assert_eq!(self.steps.next(), None, "{} goes on", self.name);
    }
}

/// What is to be typed, in order: indented lines, a statement over several lines as one; and, of what stands in
/// quotes, what runs the program or copies the database, with all its arguments.
fn steps(text: &str) -> Vec<String> {
    let mut steps: Vec<String> = Vec::new();
    let mut list = false;
    let mut prose = String::new();
    let flush = |prose: &mut String, steps: &mut Vec<String>| {
        let quoted = std::mem::take(prose);
        let commands = ["cs-powerdns ", "mysqldump ", "mysql "];
        let typed = |code: &&str| commands.iter().any(|command| code.starts_with(command));
        let whole = |code: &&str| !code.contains(['…', '|']) && !code.split(' ').any(is_placeholder);
        steps.extend(quoted.split('`').skip(1).step_by(2).filter(typed).filter(whole).map(str::to_owned));
    };
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        let item = line.trim_start().split_once(' ').is_some_and(|(mark, _)| {
            mark == "-" || mark.strip_suffix('.').is_some_and(|n| n.parse::<u8>().is_ok())
        });
        if line.trim().is_empty() {
            prose.push_str("``");
            continue;
        }
        let code = indent >= if list { 6 } else { 4 };
        if !code {
            list = item || (list && indent > 0);
            let _ = write!(prose, " {}", line.trim());
            continue;
        }
        flush(&mut prose, &mut steps);
        let line = line.trim();
        match steps.last_mut() {
            // A statement ends with a semicolon.
            Some(begun) if is_sql(begun) && !begun.ends_with(';') => {
                let _ = write!(begun, " {line}");
            }
            _ => steps.push(line.trim_start_matches("$ ").to_owned()),
        }
    }
    flush(&mut prose, &mut steps);
    steps
}

fn is_sql(text: &str) -> bool {
    ["INSERT ", "CREATE ", "DROP ", "UPDATE "].iter().any(|verb| text.starts_with(verb))
}

fn is_placeholder(word: &str) -> bool {
    word.len() > 1 && word.chars().all(|c| c.is_ascii_uppercase() || c == '-') || word.contains("ZONE")
}

/// The programs of the reader's world, as the lab has them.
async fn shell(lab: &Lab, folder: &Path) {
    let dns = lab.dns().await;
    let (config, port) = (dns.config_dir().display().to_string(), dns.dns_port);
    let pdnsutil = powerdns_program("pdnsutil").expect("pdnsutil");
    let dig = program("dig").expect("dig");
    let client = |name: &str| {
        let client = program(name).expect("MariaDB's clients");
        let (server, database) = (lab.db.mysql.port, &lab.db.name);
        // The database has another name here.
        format!(
            "for a do shift; [ \"$a\" != {DATABASE} ] || a={database}; set -- \"$@\" \"$a\"; done\n\
             exec {} --no-defaults --protocol=tcp -h 127.0.0.1 -P {server} -u root \"$@\"",
            client.display()
        )
    };
    for (name, script) in [
        ("cs-powerdns", format!("exec {PROGRAM} \"$@\"")),
        ("pdnsutil", format!("exec {} --config-dir={config} \"$@\"", pdnsutil.display())),
        (
            "dig",
            format!(
                "for a do shift; case $a in @*) a=@127.0.0.1 ;; esac; set -- \"$@\" \"$a\"; done\n\
                 exec {} -r -p {port} \"$@\"",
                dig.display()
            ),
        ),
        ("mysql", client("mariadb")),
        ("mysqldump", client("mariadb-dump")),
    ] {
        let file = folder.join(name);
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).expect("a script");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("a program");
    }
}
