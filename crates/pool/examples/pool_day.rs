//! Prints what happens in a simulated day of the pool, hour by hour, and draws it:
//!
//! ```text
//! cargo run --release --example pool_day -- day.svg
//! ```

#[path = "pool_day/chart.rs"]
mod chart;
#[path = "../sim/mod.rs"]
mod sim;

use std::io::{self, Write};

fn main() -> io::Result<()> {
    let day = sim::simulate(1);
    let mut out = io::stdout().lock();
    table(&mut out, &day)?;
    if let Some(path) = std::env::args_os().nth(1) {
        std::fs::write(path, chart::svg(&day.hours))?;
    }
    Ok(())
}

fn table(out: &mut impl Write, day: &sim::Day) -> io::Result<()> {
    writeln!(out, "{} members, {} accounts; refused for want of", sim::MEMBERS, sim::ACCOUNTS)?;
    writeln!(out, " hour   calls  served    left   quota  account  failed  retries   units  used    Jain")?;
    for (number, hour) in day.hours.iter().enumerate() {
        row(out, &format!("{number:02}"), hour)?;
    }
    let mut sum = day.hours.last().cloned().unwrap_or_default();
    let over = |count: fn(&sim::Hour) -> usize| day.hours.iter().map(count).sum();
    sum.calls = over(|hour| hour.calls);
    sum.served = over(|hour| hour.served);
    sum.left = over(|hour| hour.left);
    sum.refused_quota = over(|hour| hour.refused_quota);
    sum.refused_account = over(|hour| hour.refused_account);
    sum.failed = over(|hour| hour.failed);
    sum.retries = over(|hour| hour.retries);
    sum.units = day.hours.iter().map(|hour| hour.units).sum();
    sum.utilisation =
        day.hours.iter().map(|hour| hour.utilisation).sum::<f64>() / day.hours.len().max(1) as f64;
    row(out, "all", &sum)?;
    writeln!(
        out,
        "{} calls were lost with their process; {} rules were broken",
        day.totals.lost,
        day.troubles.len()
    )?;
    day.troubles.iter().try_for_each(|trouble| writeln!(out, "{trouble}"))
}

fn row(out: &mut impl Write, name: &str, hour: &sim::Hour) -> io::Result<()> {
    writeln!(
        out,
        "{name:>5} {:>7} {:>7} {:>7} {:>7} {:>8} {:>7} {:>8} {:>7.1} {:>4.0}%  {:.4}",
        hour.calls,
        hour.served,
        hour.left,
        hour.refused_quota,
        hour.refused_account,
        hour.failed,
        hour.retries,
        hour.units as f64 / 1e6,
        hour.utilisation * 100.0,
        hour.jain
    )
}
