//! A name server on this machine: it serves TXT records of a test over UDP and TCP, and long ones over TCP
//! only, like real servers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use anyhow::Result;
use simple_dns::rdata::{RData, TXT};
use simple_dns::{CLASS, CharacterString, Packet, PacketFlag, RCODE, ResourceRecord, TYPE};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinHandle;

/// The maximum size of a UDP response without EDNS.
const SHORT: usize = 512;

type Zone = Arc<Mutex<BTreeMap<String, Vec<String>>>>;

/// A name server, which ends when it is dropped.
#[derive(Debug)]
pub struct NameServer {
    /// Its address.
    pub address: SocketAddr,
    zone: Zone,
    tasks: [JoinHandle<()>; 2],
}

impl NameServer {
    /// A server without any names.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn start() -> Result<Self> {
        let tcp = TcpListener::bind("127.0.0.1:0").await?;
        let address = tcp.local_addr()?;
        let udp = UdpSocket::bind(address).await?;
        let zone = Zone::default();
        let tasks = [tokio::spawn(over_udp(udp, zone.clone())), tokio::spawn(over_tcp(tcp, zone.clone()))];
        Ok(NameServer { address, zone, tasks })
    }

    /// Sets the TXT records of a name; if empty, the name exists without such records.
    pub fn set(&self, name: &str, texts: &[&str]) {
        let texts = texts.iter().map(|text| (*text).to_owned()).collect();
        if let Ok(mut zone) = self.zone.lock() {
            zone.insert(name.to_owned(), texts);
        }
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn over_udp(socket: UdpSocket, zone: Zone) {
    let mut buffer = [0; 4096];
    while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
        let Some(mut bytes) = buffer.get(..length).and_then(|question| answer(question, &zone, true)) else {
            continue;
        };
        if bytes.len() > SHORT {
            let Some(short) = buffer.get(..length).and_then(|question| answer(question, &zone, false)) else {
                continue;
            };
            bytes = short;
        }
        // A client that no longer waits will repeat its query.
        let _ = socket.send_to(&bytes, from).await;
    }
}

async fn over_tcp(listener: TcpListener, zone: Zone) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let zone = zone.clone();
        tokio::spawn(async move {
            while let Ok(length) = stream.read_u16().await {
                let mut question = vec![0; usize::from(length)];
                stream.read_exact(&mut question).await?;
                let Some(bytes) = answer(&question, &zone, true) else { break };
                stream.write_u16(u16::try_from(bytes.len()).unwrap_or(u16::MAX)).await?;
                stream.write_all(&bytes).await?;
            }
            std::io::Result::Ok(())
        });
    }
}

/// The response; if it is too long for UDP, a truncated one.
fn answer(question: &[u8], zone: &Zone, whole: bool) -> Option<Vec<u8>> {
    let asked = Packet::parse(question).ok()?;
    let query = asked.questions.first()?.clone();
    let mut answer = Packet::new_reply(asked.id());
    answer.set_flags(PacketFlag::RECURSION_DESIRED | PacketFlag::RECURSION_AVAILABLE);
    let name = query.qname.clone();
    let wants_texts = query.qtype == TYPE::TXT.into();
    answer.questions.push(query);
    let known = zone.lock().ok()?.get(&name.to_string().to_ascii_lowercase()).cloned();
    if !whole {
        answer.set_flags(PacketFlag::TRUNCATION);
    } else if known.is_none() {
        *answer.rcode_mut() = RCODE::NameError;
    }
    let texts = known.filter(|_| whole && wants_texts).unwrap_or_default();
    for text in &texts {
        let mut record = TXT::new();
        // A piece has at most 255 bytes.
        for piece in text.as_bytes().chunks(255) {
            record.add_char_string(CharacterString::new(piece).ok()?);
        }
        answer.answers.push(ResourceRecord::new(name.clone(), CLASS::IN, 60, RData::TXT(record)));
    }
    answer.build_bytes_vec().ok()
}
