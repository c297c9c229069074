//! Reads variables one by one and keeps every fault.

use super::{
    Fault, Faults, Given, VARIABLES,
    fault::{Wrong, wrong},
};
use secrecy::SecretString;
use std::{ffi::OsStr, fs, path::PathBuf};

/// The values that were given and what has turned out to be wrong with them.
pub(super) struct Reader<'a> {
    given: &'a Given,
    faults: Vec<Fault>,
}

impl<'a> Reader<'a> {
    pub fn new(given: &'a Given) -> Self {
        Self { given, faults: Vec::new() }
    }

    /// Notes a fault of the variable `name`.
    pub fn fault(&mut self, name: &'static str, wrong: Wrong) {
        self.faults.push(Fault { name, what: wrong.what, remedy: wrong.remedy });
    }

    /// Whether the variable has a value: empty text is none, as with `-e NAME=` of docker.
    pub fn is_set(&self, name: &str) -> bool {
        self.given.get(name).is_some_and(|value| !blank(value))
    }

    fn text(&mut self, name: &'static str) -> Option<&'a str> {
        let value = self.given.get(name).filter(|value| !blank(value))?;
        let text = value.to_str();
        if text.is_none() {
            self.fault(name, wrong("the value is not UTF-8", "write it in UTF-8"));
        }
        text
    }

    /// The value, if there is one and nothing is wrong with it. Blanks around it count for nothing:
    /// files of variables often end lines in CR LF.
    pub fn read<T>(&mut self, name: &'static str, parse: fn(&str) -> Result<T, Wrong>) -> Option<T> {
        let text = self.text(name)?.trim();
        parse(text).map_err(|wrong| self.fault(name, wrong)).ok()
    }

    /// The value or, where none is given, the one that the table of variables has. None only together
    /// with a fault.
    pub fn or_default<T>(&mut self, name: &'static str, parse: fn(&str) -> Result<T, Wrong>) -> Option<T> {
        let default = || VARIABLES.iter().find(|variable| variable.name == name).map(|found| found.default);
        let text = self.text(name).or_else(default)?.trim();
        parse(text).map_err(|wrong| self.fault(name, wrong)).ok()
    }

    /// The value, which must be given. None only together with a fault.
    pub fn required<T>(&mut self, name: &'static str, parse: fn(&str) -> Result<T, Wrong>) -> Option<T> {
        let faults = self.faults.len();
        let value = self.read(name, parse);
        if value.is_none() && self.faults.len() == faults {
            self.fault(name, wrong("not set", "it is required"));
        }
        value
    }

    /// A secret, by value or by file. No fault repeats any of it.
    pub fn secret(&mut self, name: &'static str, file: &'static str) -> Option<SecretString> {
        match (self.is_set(name), self.is_set(file)) {
            (true, true) => {
                self.fault(name, wrong(format!("{file} is set as well"), "leave one of the two"));
                None
            }
            (true, false) => self.text(name).map(SecretString::from),
            (false, true) => self.secret_file(file),
            (false, false) => None,
        }
    }

    /// A secret that must be given.
    pub fn required_secret(&mut self, name: &'static str, file: &'static str) -> Option<SecretString> {
        let faults = self.faults.len();
        let value = self.secret(name, file);
        if value.is_none() && self.faults.len() == faults {
            self.fault(name, wrong("not set", format!("it is required, or {file}")));
        }
        value
    }

    fn secret_file(&mut self, name: &'static str) -> Option<SecretString> {
        let path = self.text(name)?;
        let text = match fs::read(path).map(String::from_utf8) {
            Ok(Ok(text)) => text,
            Ok(Err(_)) => {
                self.fault(name, wrong(format!("`{path}` is not UTF-8"), "write the secret as plain text"));
                return None;
            }
            Err(error) => {
                self.fault(name, unreadable(path, &error));
                return None;
            }
        };
        // One line's end, as editors and `echo` leave it; a secret may end in blanks.
        let secret = text.strip_suffix('\n').unwrap_or(&text);
        let secret = secret.strip_suffix('\r').unwrap_or(secret);
        if secret.is_empty() {
            self.fault(name, wrong(format!("`{path}` is empty"), "write the secret into it"));
            return None;
        }
        Some(secret.into())
    }

    /// A file of certificate authorities that is there and holds a certificate.
    pub fn ca_file(&mut self, name: &'static str) -> Option<PathBuf> {
        self.read(name, |path| match fs::read(path) {
            Err(error) => Err(unreadable(path, &error)),
            Ok(bytes) if !String::from_utf8_lossy(&bytes).contains("-----BEGIN CERTIFICATE-----") => {
                Err(wrong(
                    format!("`{path}` holds no certificate"),
                    "write a file in PEM format, with -----BEGIN CERTIFICATE-----",
                ))
            }
            Ok(_) => Ok(PathBuf::from(path)),
        })
    }

    /// Every fault, in the order of the table, if there is one.
    pub fn finish(mut self) -> Result<(), Faults> {
        if self.faults.is_empty() {
            return Ok(());
        }
        let place = |fault: &Fault| VARIABLES.iter().position(|variable| variable.name == fault.name);
        self.faults.sort_by_key(place);
        Err(Faults(self.faults))
    }
}

fn blank(value: &OsStr) -> bool {
    value.to_str().is_some_and(|text| text.trim().is_empty())
}

fn unreadable(path: &str, error: &std::io::Error) -> Wrong {
    wrong(format!("`{path}` cannot be read: {error}"), "name a file that this user may read")
}
