//! In place of a Service: one address that leads to whichever replica is there.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Forwards connections, in turn, to those replicas that take them.
pub struct Balancer {
    address: SocketAddr,
    replicas: Arc<Mutex<Vec<SocketAddr>>>,
}

impl Balancer {
    /// Leads nowhere yet. It lasts as long as the program.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let replicas: Arc<Mutex<Vec<SocketAddr>>> = Arc::default();
        let known = Arc::clone(&replicas);
        thread::spawn(move || {
            for (i, stream) in listener.incoming().enumerate() {
                let Ok(stream) = stream else { continue };
                let mut known = known.lock().unwrap().clone();
                if !known.is_empty() {
                    let turn = i % known.len();
                    known.rotate_left(turn);
                }
                if let Some(replica) = known.iter().find_map(|replica| TcpStream::connect(replica).ok()) {
                    join(stream, replica);
                }
            }
        });
        Self { address, replicas }
    }

    /// What webhook configurations have.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// From now on it leads there, too.
    pub fn add(&self, replica: SocketAddr) {
        self.replicas.lock().unwrap().push(replica);
    }

    /// New connections do not go there any more.
    pub fn remove(&self, replica: SocketAddr) {
        self.replicas.lock().unwrap().retain(|known| *known != replica);
    }
}

fn join(one: TcpStream, other: TcpStream) {
    let (one_again, other_again) = (one.try_clone().unwrap(), other.try_clone().unwrap());
    thread::spawn(move || pour(one, other));
    thread::spawn(move || pour(other_again, one_again));
}

fn pour(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 16 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    // When a replica dies, so does the connection.
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
