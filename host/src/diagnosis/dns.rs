//! A minimal DNS client for one query: the TXT records of a name. It uses no cache and no hosts file, so it sees
//! what the name servers currently return.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, Question, RCODE, TYPE};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

/// The timeout of one attempt at one server; a person waits for the result.
const PATIENCE: Duration = Duration::from_secs(2);
/// A datagram may get lost.
const TRIES: usize = 2;
/// The number of servers tried in turn; system resolvers do not use more either.
const SERVERS: usize = 3;
/// The longest datagram accepted.
const DATAGRAM: usize = 4096;

/// What the name servers return for a name.
#[derive(Debug)]
pub(super) enum Seen {
    /// Its TXT records; the list may be empty.
    Texts(Vec<String>),
    /// The name does not exist.
    NoDomain,
    /// No server responded usefully.
    Failed(String),
}

/// The name servers to query: this one, or the system's.
pub(super) fn servers(own: Option<SocketAddr>) -> Result<Vec<SocketAddr>, String> {
    const LIST: &str = "/etc/resolv.conf";
    if let Some(own) = own {
        return Ok(vec![own]);
    }
    let text = std::fs::read(LIST).map_err(|error| format!("{LIST} cannot be read ({error})"))?;
    let list = resolv_conf::Config::parse(text).map_err(|error| format!("{LIST} is broken ({error})"))?;
    let servers = list.get_nameservers_or_local().into_iter().take(SERVERS);
    Ok(servers.map(|server| SocketAddr::new(IpAddr::from(server), 53)).collect())
}

/// The TXT records of a domain, from the first server that responds.
pub(super) async fn texts(servers: &[SocketAddr], domain: &str) -> Seen {
    let mut why = "no name server is known".to_owned();
    for server in servers {
        match texts_at(*server, domain).await {
            Ok(seen) => return seen,
            Err(error) => why = format!("{server}: {error}"),
        }
    }
    Seen::Failed(why)
}

async fn texts_at(server: SocketAddr, domain: &str) -> Result<Seen, String> {
    let mut id = [0; 2];
    getrandom::fill(&mut id).map_err(|error| error.to_string())?;
    let id = u16::from_be_bytes(id);
    let name = Name::new(domain).map_err(|error| error.to_string())?;
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    packet.questions.push(Question::new(name, TYPE::TXT.into(), CLASS::IN.into(), false));
    let question = packet.build_bytes_vec().map_err(|error| error.to_string())?;
    let mut answer = Err("no answer".to_owned());
    for _ in 0..TRIES {
        answer = match timeout(PATIENCE, over_udp(server, &question, id, domain)).await {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(_) => Err("no answer in time".to_owned()),
        };
        if answer.is_ok() {
            break;
        }
    }
    let mut answer = answer?;
    if read(&answer, id, domain).is_some_and(|packet| packet.has_flags(PacketFlag::TRUNCATION)) {
        answer = timeout(PATIENCE, over_tcp(server, &question))
            .await
            .map_err(|_| "no answer in time".to_owned())?
            .map_err(|error| error.to_string())?;
    }
    let packet = read(&answer, id, domain).ok_or("the answer cannot be read")?;
    match packet.rcode() {
        RCODE::NoError => {}
        RCODE::NameError => return Ok(Seen::NoDomain),
        other => return Err(format!("the answer is {other:?}")),
    }
    let texts = packet.answers.into_iter().filter_map(|record| match record.rdata {
        // A long text is split into strings, which are concatenated.
        RData::TXT(text) => String::try_from(text).ok(),
        _ => None,
    });
    Ok(Seen::Texts(texts.collect()))
}

/// The system chooses an unpredictable port and accepts datagrams from this server only.
async fn over_udp(server: SocketAddr, question: &[u8], id: u16, domain: &str) -> std::io::Result<Vec<u8>> {
    let any: SocketAddr = if server.is_ipv4() { ([0; 4], 0).into() } else { ([0u16; 8], 0).into() };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    socket.send(question).await?;
    let mut buffer = vec![0; DATAGRAM];
    loop {
        let length = socket.recv(&mut buffer).await?;
        // Responses to other queries are ignored.
        if let Some(answer) = buffer.get(..length).filter(|answer| read(answer, id, domain).is_some()) {
            return Ok(answer.to_vec());
        }
    }
}

async fn over_tcp(server: SocketAddr, question: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(question.len()).map_err(std::io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), question].concat()).await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

/// A response to exactly this query.
fn read<'a>(bytes: &'a [u8], id: u16, domain: &str) -> Option<Packet<'a>> {
    let packet = Packet::parse(bytes).ok()?;
    let asked = packet.questions.first()?;
    let same = asked.qname.to_string().eq_ignore_ascii_case(domain) && asked.qtype == TYPE::TXT.into();
    (packet.id() == id && packet.has_flags(PacketFlag::RESPONSE) && same).then_some(packet)
}
