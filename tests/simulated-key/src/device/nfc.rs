//! The key as a contactless card in the virtual reader: `vpcd` waits for its card on a TCP port, and sends what a
//! terminal would, each with its length before it.

use super::{Fido, INTERRUPT, Key, control};
use anyhow::{Context, Result, bail};
use apdu_dispatch::dispatch::ApduDispatch;
use apdu_dispatch::interchanges::{Channel, Data, Requester};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A contactless card of ISO 14443, seen through PC/SC (part 3, section 3.1.3.2.3): no historical bytes.
const ATR: [u8; 5] = [0x3b, 0x80, 0x80, 0x01, 0x01];

/// Time limit for the reader to appear.
const PATIENCE: Duration = Duration::from_secs(20);

/// Interval at which the card's presence is checked while idle.
const MOMENT: Duration = Duration::from_millis(2);

/// Lies in the field of that reader, whenever it is plugged in.
pub(super) fn run(key: &Key<'_>, reader: SocketAddr) -> Result<()> {
    while key.control.until_plugged_in() {
        let mut field = connect(reader)?;
        let seen = key.powered(true, |fido| lie_in_field(key, fido, &mut field, reader))?;
        control::say("unplugged");
        seen?;
    }
    Ok(())
}

/// The reader takes one card at a time, and a moment to see that the last one is gone.
fn connect(reader: SocketAddr) -> Result<TcpStream> {
    let end = Instant::now() + PATIENCE;
    loop {
        match TcpStream::connect(reader) {
            Ok(field) => {
                field.set_nodelay(true)?;
                return Ok(field);
            }
            Err(error) if Instant::now() > end => {
                return Err(error)
                    .with_context(|| format!("no virtual reader at {reader}: is pcscd running?"));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

fn lie_in_field(key: &Key<'_>, fido: &mut Fido<'_>, field: &mut TcpStream, reader: SocketAddr) -> Result<()> {
    let (contact, contactless) = (Channel::new(), Channel::new());
    let (_, no_requests) = contact.split().context("the channel is new")?;
    let (mut terminal, requests) = contactless.split().context("the channel is new")?;
    let off = AtomicBool::new(false);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let mut dispatch = ApduDispatch::new(no_requests, requests);
            while !off.load(Ordering::Relaxed) {
                INTERRUPT.set_working();
                dispatch.poll(&mut [fido]);
                INTERRUPT.set_idle();
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let ended = answer(key, &mut terminal, field, reader);
        off.store(true, Ordering::Relaxed);
        // The reader sees the card go at once, whatever the authenticator still does.
        let _ = field.shutdown(Shutdown::Both);
        ended
    })
}

/// Answers the reader until the card is taken away, or the reader goes.
fn answer(
    key: &Key<'_>,
    terminal: &mut Requester<'_>,
    field: &mut TcpStream,
    reader: SocketAddr,
) -> Result<()> {
    field.set_read_timeout(Some(MOMENT))?;
    let mut told = false;
    while let Some(message) = receive(key, field)? {
        let reply = match message.as_slice() {
            // Power off, power on, reset: not answered.
            [0..=2] => continue,
            [4] => {
                if !told {
                    control::say(&format!("ready nfc {reader}"));
                    told = true;
                }
                ATR.to_vec()
            }
            command => {
                let Some(reply) = exchange(key, terminal, command)? else { return Ok(()) };
                reply
            }
        };
        let length = u16::try_from(reply.len()).context("the answer is too long for the reader")?;
        let mut framed = length.to_be_bytes().to_vec();
        framed.extend(reply);
        field.write_all(&framed).context("the virtual reader is gone")?;
    }
    Ok(())
}

/// The next message; none when the card was taken away.
fn receive(key: &Key<'_>, field: &mut TcpStream) -> Result<Option<Vec<u8>>> {
    let mut length = [0; 2];
    if !fill(key, field, &mut length)? {
        return Ok(None);
    }
    let mut message = vec![0; u16::from_be_bytes(length).into()];
    Ok(fill(key, field, &mut message)?.then_some(message))
}

fn fill(key: &Key<'_>, field: &mut TcpStream, mut wanted: &mut [u8]) -> Result<bool> {
    while !wanted.is_empty() {
        if !key.control.plugged() {
            return Ok(false);
        }
        match field.read(wanted) {
            Ok(0) => bail!("the virtual reader is gone"),
            Ok(read) => wanted = std::mem::take(&mut wanted).get_mut(read..).unwrap_or_default(),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error).context("the virtual reader is gone"),
        }
    }
    Ok(true)
}

/// Processes one command; `None` if the card was removed before the answer.
fn exchange(key: &Key<'_>, terminal: &mut Requester<'_>, command: &[u8]) -> Result<Option<Vec<u8>>> {
    let command =
        Data::try_from(command).map_err(|_| anyhow::anyhow!("the command is too long for the key"))?;
    terminal.request(command).map_err(|_| anyhow::anyhow!("the key is busy"))?;
    // A removed card answers nothing, not even an interruption.
    while key.control.plugged() {
        if let Some(answer) = terminal.take_response() {
            return Ok(Some(answer.to_vec()));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(None)
}
