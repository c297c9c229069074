//! The same questions by somebody else's client: the Python package `cs`.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::tansu::tools;

/// Lists all VMs, including those of projects, by the Python client: their names, in order. That the
/// simulator lets it in shows that its rules of signing are not only ours.
pub fn python_cs(endpoint: &str, key: &str, secret: &str) -> Result<Vec<String>> {
    let package = tools("cs/client.py", "cs")?;
    let folder = package.parent().and_then(|folder| folder.parent()).context("a folder of packages")?;
    let done = Command::new("python3")
        .args(["-c", include_str!("../python_cs.py"), endpoint, key, secret])
        .env("PYTHONPATH", folder)
        .output()
        .context("running python3")?;
    ensure!(done.status.success(), "python cs: {}", String::from_utf8_lossy(&done.stderr));
    Ok(String::from_utf8(done.stdout)?.lines().map(str::to_owned).collect())
}
