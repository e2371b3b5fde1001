use std::future::poll_fn;

use super::*;

fn ip(n: u8) -> IpAddr {
    [192, 0, 2, n].into()
}

/// The eviction, if any, of each of `tickets`.
fn told(tickets: &[Ticket]) -> Vec<Option<Eviction>> {
    let told = |ticket: &Ticket| {
        let state = ticket.0.lobby.state();
        state.guests[ticket.0.key].told_to_leave
    };
    tickets.iter().map(told).collect()
}

fn gone(tickets: &[Ticket]) -> Vec<usize> {
    let told = told(tickets);
    (0..told.len()).filter(|&n| told[n].is_some()).collect()
}

fn fill(lobby: &Lobby, ip: IpAddr, count: usize) -> Vec<Ticket> {
    (0..count).map(|_| lobby.enter(ip).unwrap()).collect()
}

fn attend(tickets: &[Ticket]) {
    tickets.iter().for_each(Ticket::has_its_turn);
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_from_an_address_that_has_its_share_takes_the_place_of_the_oldest_at_once() {
    let lobby = Lobby::default();
    let first = fill(&lobby, ip(1), MOST_OF_AN_ADDRESS);
    assert!(lobby.enter(ip(1)).is_none(), "none has had a turn");
    let other = fill(&lobby, ip(2), 1);
    attend(&other);
    assert!(
        lobby.enter(ip(1)).is_none(),
        "another address keeps its own"
    );
    attend(&first[5..]);
    let more = fill(&lobby, ip(1), 1);
    attend(&first[..5]);
    let more = [more, fill(&lobby, ip(1), 2)].concat();
    assert_eq!(gone(&first), [0, 1, 5]);
    assert_eq!(first[0].told_to_leave().await, Eviction::Connections);
    assert_eq!((gone(&more), gone(&other)), (vec![], vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_full_lobby_loses_one_of_the_address_that_has_most() {
    let lobby = Lobby::default();
    let few = fill(&lobby, ip(1), 10);
    let many = fill(&lobby, ip(2), MOST_OF_AN_ADDRESS);
    let some = fill(&lobby, ip(3), MOST - MOST_OF_AN_ADDRESS - 10);
    for tickets in [&few, &many, &some] {
        attend(tickets);
    }
    let _newcomer = lobby.enter(ip(4)).unwrap();
    assert_eq!(
        (gone(&few), gone(&many), gone(&some)),
        (vec![], vec![0], vec![])
    );
}

#[tokio::test(start_paused = true)]
async fn answered_connections_are_evicted_first_and_waiting_ones_last() {
    let lobby = Lobby::default();
    let guests = fill(&lobby, ip(1), MOST_OF_AN_ADDRESS);
    attend(&guests);
    tokio::time::sleep(GRACE / 2).await;
    guests[0].answering();
    guests[7].answering();
    guests[7].answered();
    let _newcomer = lobby.enter(ip(1)).unwrap();
    assert_eq!(gone(&guests), [7]);
    let _newcomer = lobby.enter(ip(1)).unwrap();
    assert_eq!(gone(&guests), [1, 7]);
}

#[tokio::test(start_paused = true)]
async fn a_small_request_does_not_wait_for_those_that_make_room() {
    let lobby = Lobby::default();
    let crowd = fill(&lobby, ip(1), 128);
    crowd.iter().for_each(|ticket| ticket.received(64 * 1024));
    let newcomer = lobby.enter(ip(1)).unwrap();
    for _ in 0..NEVER_WAITS / 1024 {
        let room = poll_fn(|cx| newcomer.poll_room(cx, 1024));
        assert!(futures_util::poll!(std::pin::pin!(room)).is_ready());
        newcomer.received(1024);
    }
    assert_eq!(gone(&crowd), [0], "one is enough");
    let room = poll_fn(|cx| newcomer.poll_room(cx, 64 * 1024));
    assert!(futures_util::poll!(std::pin::pin!(room)).is_pending());
    assert_eq!(gone(&crowd), [0, 1]);
    assert_eq!(gone(&[newcomer]), [] as [usize; 0]);
}

#[tokio::test(start_paused = true)]
async fn the_largest_connection_makes_room() {
    let lobby = Lobby::default();
    let guests = fill(&lobby, ip(1), 129);
    let head = 64 * 1024;
    for arrival in &guests[..128] {
        poll_fn(|cx| arrival.poll_room(cx, head)).await;
        arrival.received(head);
    }
    assert_eq!(gone(&guests), [] as [usize; 0], "that much is allowed");
    let mut last = std::pin::pin!(poll_fn(|cx| guests[128].poll_room(cx, NEVER_WAITS + 1)));
    assert!(futures_util::poll!(&mut last).is_pending());
    assert_eq!(gone(&guests), [0]);
    assert!(
        futures_util::poll!(&mut last).is_pending(),
        "it has not gone yet"
    );
    assert_eq!(gone(&guests), [0], "one is enough");
    let mut guests = guests.into_iter();
    drop(guests.next());
    // Complete requests no longer hold memory.
    let second = guests.next().unwrap();
    second.answering();
    assert!(lobby.state().held == 127 * head - head);
    drop((second, guests));
    let state = lobby.state();
    assert_eq!((state.held, state.leaving_held, state.staying), (0, 0, 0));
    assert!(state.of_address.is_empty());
}

#[test]
fn hosts_are_compared_as_the_network_compares_them() {
    let of = |text: &str| Neighbour::from(text.parse::<IpAddr>().unwrap());
    assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:2"));
    assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
    assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    assert_ne!(of("::1"), of("::2"));
}

#[tokio::test(start_paused = true)]
async fn long_requests_are_read_a_few_at_a_time_and_short_ones_at_once() {
    let lobby = Lobby::default();
    let crowd = fill(&lobby, ip(1), LONG_READS + 1);
    let mut turns = Vec::new();
    for ticket in &crowd[..LONG_READS] {
        assert!(ticket.turn().await.is_none(), "nothing has come");
        ticket.received(NEVER_WAITS);
        turns.push(ticket.turn().await.expect("a turn of a long one"));
    }
    let last = &crowd[LONG_READS];
    last.received(NEVER_WAITS - 1);
    assert!(last.turn().await.is_none(), "it may read on at once");
    last.received(1);
    let mut waits = std::pin::pin!(last.turn());
    assert!(futures_util::poll!(&mut waits).is_pending());
    turns.pop();
    assert!(waits.await.is_some());
    last.forget();
    assert!(
        last.turn().await.is_none(),
        "its next request is a short one"
    );
}
