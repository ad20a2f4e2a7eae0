//! The person's browser, for automatic consents of the simulator: follows redirects on this machine.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

/// The consent page, the callback, and its result page.
const STEPS: usize = 6;

/// Opens a URL and follows redirects. Returns the status of the last page.
pub(crate) fn follow(address: &str) -> Result<u16> {
    let mut address = address.to_owned();
    for _ in 0..STEPS {
        let (status, location) = get(&address)?;
        match location {
            Some(next) if (300..400).contains(&status) => {
                address = if next.starts_with('/') { join(&address, &next)? } else { next };
            }
            _ => return Ok(status),
        }
    }
    bail!("too many redirects: {address}")
}

fn join(base: &str, path: &str) -> Result<String> {
    Ok(format!("http://{}{path}", split(base)?.0))
}

fn split(address: &str) -> Result<(&str, &str)> {
    let rest =
        address.strip_prefix("http://").with_context(|| format!("{address} is not on this machine"))?;
    let at = rest.find('/').unwrap_or(rest.len());
    Ok(rest.split_at(at))
}

fn get(address: &str) -> Result<(u16, Option<String>)> {
    let (host, target) = split(address)?;
    let mut stream = TcpStream::connect(host).with_context(|| format!("nobody answers at {host}"))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let target = if target.is_empty() { "/" } else { target };
    let request = format!("GET {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    // In one piece: a server may answer and close after the first line.
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    // If the server closes early, the relevant part has already arrived.
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    let head = answer.split("\r\n\r\n").next().unwrap_or_default();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let location = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("location").then(|| value.trim().to_owned())
    });
    Ok((status.with_context(|| format!("{host} did not answer in HTTP"))?, location))
}
