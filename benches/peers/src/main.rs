//! Threshold ECDSA of this repository beside `cggmp24` and `dkls23`, in one run, in one thread. See the README.

mod cggmp21;
mod clock;
mod dkls23;
mod memory;
mod report;
mod sessions;

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use quorate_simulator::Cast;

use cggmp21::{ours, theirs};
use report::{Report, Sample};

/// How often each measurement is made.
struct Repetitions {
    /// Of what takes milliseconds or less.
    quick: usize,
    /// Of what takes seconds.
    long: usize,
    /// Safe primes: ours, and theirs.
    primes: [usize; 2],
}

const USAGE: &str =
    "usage: quorate-peers [--quick] [--json] [--only keygen|online|presign|dkls23|memory|auxiliary|primes]";

fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    if let [memory::ARGUMENT, whose, threshold, total] = arguments[..] {
        return alone(|| memory::measure(whose, threshold.parse()?, total.parse()?));
    }
    let (mut quick, mut json, mut only) = (false, false, None);
    let mut rest = arguments.into_iter();
    while let Some(argument) = rest.next() {
        match argument {
            "--quick" => quick = true,
            "--json" => json = true,
            "--only" => only = Some(rest.next().filter(|name| SECTIONS.contains(name)).context(USAGE)?),
            _ => bail!(USAGE),
        }
    }
    let repetitions = match quick {
        true => Repetitions { quick: 3, long: 1, primes: [1, 1] },
        false => Repetitions { quick: 50, long: 3, primes: [24, 8] },
    };
    let report = alone(|| measure(&repetitions, only))?;
    if json {
        report.print_json()
    } else {
        report.print()
    }
    Ok(())
}

/// Does all work in one thread, this library's own parallel work included.
fn alone<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    rayon::ThreadPoolBuilder::new().num_threads(1).build()?.install(work)
}

const SECTIONS: [&str; 7] = ["keygen", "online", "presign", "dkls23", "memory", "auxiliary", "primes"];

fn measure(repetitions: &Repetitions, only: Option<&str>) -> Result<Report> {
    let mut report = Report::default();
    for section in SECTIONS.into_iter().filter(|section| only.is_none_or(|only| only == *section)) {
        match section {
            "keygen" => key_generation(&mut report, repetitions)?,
            "online" => online(&mut report, repetitions)?,
            "presign" => presigning(&mut report, repetitions)?,
            "dkls23" => dkls(&mut report, repetitions)?,
            "memory" => memory(&mut report)?,
            "auxiliary" => auxiliary(&mut report)?,
            _ => primes(&mut report, repetitions),
        }
    }
    Ok(report)
}

/// So often, and, if that is often, once more before to warm up.
fn repeat<const N: usize>(
    times: usize,
    mut work: impl FnMut() -> Result<[Duration; N]>,
) -> Result<[Sample; N]> {
    if times > 5 {
        work()?;
    }
    let runs = (0..times).map(|_| work()).collect::<Result<Vec<_>>>()?;
    Ok(std::array::from_fn(|at| Sample(runs.iter().map(|run| run[at]).collect())))
}

fn key_generation(report: &mut Report, repetitions: &Repetitions) -> Result<()> {
    for (threshold, total, target) in [(3, 5, 8), (5, 9, 25)] {
        report::progress("key generation");
        let ours = |signed| {
            repeat(repetitions.quick, || {
                Ok([sessions::key_generation(&Cast::new(threshold, total, 1), signed)?.1.total()])
            })
        };
        let ([unsigned], [signed]) = (ours(false)?, ours(true)?);
        let [theirs] = repeat(repetitions.quick, || Ok([theirs::key_generation(threshold, total)?.total()]))?;
        let name = format!("key generation {threshold} of {total}, all parties");
        report.add(&name, "ms", unsigned, Some(theirs), Some(Duration::from_millis(target)));
        report.add(&format!("{name}, messages signed"), "ms", signed, None, None);
    }
    Ok(())
}

fn online(report: &mut Report, repetitions: &Repetitions) -> Result<()> {
    report::progress("signing");
    let runs = ours::Wallet::new(3, 5)?.online(repetitions.quick)?;
    let of = |part: fn(&ours::Online) -> Duration| Sample(runs.iter().skip(1).map(part).collect());
    let their_runs = theirs::Wallet::new(3, 5)?.online(repetitions.quick)?;
    let their = |part: usize| Some(Sample(their_runs.iter().skip(1).map(|run| run[part]).collect()));
    let target = |micros| Some(Duration::from_micros(micros));
    report.add("3 of 5 online: partial signature", "µs", of(|run| run.partial), their(0), target(10));
    report.add(
        "3 of 5 online: combine, each partial checked",
        "µs",
        of(|run| run.checked),
        their(1),
        target(300),
    );
    report.add("3 of 5 online: combine, the signature checked", "µs", of(|run| run.combined), None, None);
    report.add("3 of 5 online: verify", "µs", of(|run| run.verify), their(2), target(80));
    Ok(())
}

fn presigning(report: &mut Report, repetitions: &Repetitions) -> Result<()> {
    for (threshold, total, target, ahead_target) in [(3, 5, 900, Some(500)), (5, 9, 1800, None)] {
        report::progress("presigning");
        let wallet = ours::Wallet::new(threshold, total)?;
        let [all, path] = repeat(repetitions.long, || {
            let clocks = wallet.presign(false)?.1;
            Ok([clocks.per_party(), clocks.critical_path()])
        })?;
        let [ahead] = repeat(repetitions.long, || Ok([wallet.presign(true)?.1.critical_path()]))?;
        drop(wallet);
        let wallet = theirs::Wallet::new(threshold, total)?;
        let [their_all, their_path] = repeat(repetitions.long, || {
            let clocks = wallet.presign()?.1;
            Ok([clocks.per_party(), clocks.critical_path()])
        })?;
        let name = format!("presignature {threshold} of {total}");
        let target = Some(Duration::from_millis(target));
        let ahead_target = ahead_target.map(Duration::from_millis);
        report.add(&format!("{name}, per party"), "ms", all, Some(their_all), target);
        report.add(&format!("{name}, critical path"), "ms", path, Some(their_path), None);
        report.add(&format!("{name}, critical path, nonces made ahead"), "ms", ahead, None, ahead_target);
    }
    Ok(())
}

fn dkls(report: &mut Report, repetitions: &Repetitions) -> Result<()> {
    report::progress("DKLS23");
    let target = |micros| Some(Duration::from_micros(micros));
    let ours = |signed| {
        let [key, pairs] = repeat(repetitions.long, || {
            Ok(dkls23::ours::key_and_pairs(3, 5, signed)?.map(|clocks| clocks.per_party()))
        })?;
        let both = key.0.iter().zip(&pairs.0).map(|(key, pairs)| *key + *pairs).collect();
        anyhow::Ok([Sample(both), pairs])
    };
    let ([unsigned, pairs], [signed, _]) = (ours(false)?, ours(true)?);
    let [theirs] = repeat(repetitions.long, || Ok([dkls23::theirs::key_generation(3, 5)?.per_party()]))?;
    let name = "DKLS23, key generation 3 of 5 with pairs, per party";
    report.add(name, "ms", unsigned, Some(theirs), target(180_000));
    report.add("of that, the pairs", "ms", pairs, None, None);
    report.add(&format!("{name}, messages signed"), "ms", signed, None, None);
    for (threshold, total, micros) in [(2, 3, 1800), (3, 5, 3000), (5, 9, 6000)] {
        let (ours, theirs) =
            (dkls23::ours::Wallet::new(threshold, total)?, dkls23::theirs::Wallet::new(threshold, total)?);
        let [unsigned] = repeat(repetitions.quick, || Ok([ours.sign(false)?.per_party()]))?;
        let [signed, path] = repeat(repetitions.quick, || {
            let clocks = ours.sign(true)?;
            Ok([clocks.per_party(), clocks.critical_path()])
        })?;
        let [theirs] = repeat(repetitions.quick, || Ok([theirs.sign()?.per_party()]))?;
        let name = format!("DKLS23, signature {threshold} of {total}");
        report.add(&format!("{name}, per party"), "ms", unsigned, Some(theirs), target(micros));
        report.add(&format!("{name}, per party, messages signed"), "ms", signed, None, None);
        report.add(&format!("{name}, critical path, messages signed"), "ms", path, None, None);
    }
    Ok(())
}

fn auxiliary(report: &mut Report) -> Result<()> {
    report::progress("auxiliary information");
    let [ours] = repeat(1, || Ok([ours::auxiliary(5)?.per_party()]))?;
    let [theirs] = repeat(1, || Ok([theirs::auxiliary(5)?.per_party()]))?;
    let target = Some(Duration::from_secs(5));
    report.add("auxiliary information of 5, primes given, per party", "ms", ours, Some(theirs), target);
    Ok(())
}

fn memory(report: &mut Report) -> Result<()> {
    for (threshold, total) in [(3, 5), (5, 9)] {
        for (what, [ours, theirs]) in
            [("presignature", memory::CGGMP21), ("DKLS23, signature", memory::DKLS23)]
        {
            report::progress("memory");
            let ours = memory::in_a_process(ours, threshold, total)?;
            let theirs = memory::in_a_process(theirs, threshold, total)?;
            report.add_memory(&format!("memory, {what} {threshold} of {total}, per party"), &ours, &theirs);
        }
    }
    Ok(())
}

fn primes(report: &mut Report, repetitions: &Repetitions) {
    let search = |prime: fn(u64) -> Duration, count| {
        report::progress("safe primes");
        Sample((1..=count as u64).map(prime).collect())
    };
    let [ours, theirs] = repetitions.primes;
    let (ours, theirs) = (search(ours::prime, ours), search(theirs::prime, theirs));
    report.add_mean("safe prime of 1536 bits", "s", &ours, &theirs, Some(Duration::from_millis(4500)));
}
