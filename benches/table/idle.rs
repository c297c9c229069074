//! Nothing happens.

use super::{
    Size, lone,
    process::{end, listen, sync, usage},
    town::{self, SETTINGS},
};
use anyhow::{Context, Result};
use std::time::Duration;
use tokio::time::sleep;

const TIME: Duration = Duration::from_secs(60);

pub async fn measure(size: &Size) -> Result<()> {
    let server = town::server()?;
    let (mut lab, _) = town::lab(&server, "idle", size.vms).await?;
    sync(&lab.env_with(SETTINGS)).await?;
    let process = listen(&mut lab, &[SETTINGS, &[("RESYNC_INTERVAL", "1h")]].concat()).await?;
    sleep(Duration::from_secs(5)).await;
    let before = usage(process.pid()?).context("it runs")?.cpu;
    sleep(TIME).await;
    let used = usage(process.pid()?).context("it runs")?.cpu.saturating_sub(before);
    end(process).await?;
    let percent = used.as_secs_f64() / TIME.as_secs_f64() * 100.0;
    lone("of a core, idle", &format!("{percent:.2} %"), "under 1 %");
    Ok(())
}
