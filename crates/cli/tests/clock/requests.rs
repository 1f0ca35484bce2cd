//! Requests that are asked while the clock jumps.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use crate::api::Api;
use crate::certificates::{issue, serve};
use crate::client::{connect, request};
use crate::machine::{DAY, HOUR, YEAR, settable};
use crate::namespace;
use crate::program::until;

/// A header has ten seconds to arrive; what takes longer than this here says nothing.
const SOON: Duration = Duration::from_secs(5);

#[test]
fn every_answer_is_right_and_no_connection_dies_however_the_clock_jumps() {
    let Some(clock) = settable() else { return };
    let at = tempfile::tempdir().unwrap();
    let api = Api::start(&[namespace("shop", "baseline"), namespace("open", "privileged")]);
    let authority = issue(at.path(), 4000);
    let (mut server, address) = serve(&api, at.path(), &[]);
    until("is ready", || (connect(address, &authority).ok()?.get("/readyz").ok()?.trim() == "ok").then_some(()));
    let (ending, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let asking: Vec<_> = (0..2)
        .map(|_| {
            let (ending, answered, authority) = (Arc::clone(&ending), Arc::clone(&answered), authority.clone());
            std::thread::spawn(move || {
                // One connection for all of it.
                let mut connection = connect(address, &authority).unwrap();
                while !ending.load(SeqCst) {
                    for (namespace, privileged, right) in
                        [("shop", true, false), ("shop", false, true), ("open", true, true)]
                    {
                        assert_eq!(connection.ask(namespace, privileged).unwrap()["allowed"], right);
                        answered.fetch_add(1, SeqCst);
                    }
                    std::thread::sleep(Duration::from_millis(10));
                }
            })
        })
        .collect();
    let mut jumps = 0;
    let mut levels = ["privileged", "baseline"].into_iter().cycle();
    for to in [HOUR, -HOUR, 10 * YEAR, -10 * YEAR, DAY - clock.right(), 0] {
        // Under way: half of a body before, the rest after; and half of a header.
        let mut done = false;
        while !done {
            let began = Instant::now();
            let (mut body, mut header) = (connect(address, &authority).unwrap(), connect(address, &authority).unwrap());
            let (head, text) = request("shop", true);
            body.send(&format!("{head}{}", &text[..100])).unwrap();
            header.send(&head[..20]).unwrap();
            // There once more, where it took too long to tell anything.
            clock.ahead(to);
            let sent = header.send(&format!("{}{text}", &head[20..])).and_then(|()| body.send(&text[100..]));
            let answers = sent.and_then(|()| Ok([header.response()?, body.response()?]));
            done = began.elapsed() < SOON;
            if done {
                assert!(answers.unwrap().iter().all(|answer| answer["allowed"] == false));
            }
        }
        jumps += 1;
        server.until_said("the system's clock jumped", jumps);
        // What changes is seen.
        let level = levels.next().unwrap();
        api.put(&namespace("changing", level));
        let mut connection = connect(address, &authority).unwrap();
        until("sees the change", || {
            let answer = connection.ask("changing", true).unwrap();
            (answer["allowed"] == (level == "privileged")).then_some(())
        });
        let before = answered.load(SeqCst);
        until("goes on", || (answered.load(SeqCst) > before + 6).then_some(()));
    }
    ending.store(true, SeqCst);
    for thread in asking {
        thread.join().unwrap();
    }
    let metrics = connect(address, &authority).unwrap().get("/metrics").unwrap();
    for trouble in ["panic", "slow_client", "accept"] {
        assert!(!metrics.contains(&format!("ringfence_failures_total{{kind=\"{trouble}\"")), "{metrics}");
    }
    assert!(server.said("cannot reach the API server").is_empty(), "{}", server.log());
}

#[test]
fn who_is_slow_is_hung_up_on_and_an_end_comes_when_it_should() {
    let Some(clock) = settable() else { return };
    let at = tempfile::tempdir().unwrap();
    let api = Api::start(&[namespace("shop", "baseline")]);
    let authority = issue(at.path(), 4000);
    let (mut server, address) = serve(&api, at.path(), &["--drain-delay", "3"]);
    let slow = [-10 * YEAR, 10 * YEAR].map(|to| {
        let (mut slow, began) = (connect(address, &authority).unwrap(), Instant::now());
        slow.send("POST /validate HTTP/1.1\r\n").unwrap();
        clock.ahead(to);
        (slow, began)
    });
    for (mut slow, began) in slow {
        slow.until_hung_up();
        assert!(began.elapsed() > Duration::from_secs(9), "after {:?}", began.elapsed());
    }
    let began = Instant::now();
    server.terminate();
    server.until_said("told to end: not ready any more, still answering", 1);
    clock.ahead(-HOUR);
    assert_eq!(server.ended(), Some(0), "{}", server.log());
    assert!(began.elapsed() > Duration::from_secs(3), "after {:?}", began.elapsed());
}
