//! The cost of a frame to one of many viewers, compared with a loop that only calls `write(2)`:
//! `cargo bench --bench fanout [-- VIEWERS [SECONDS]]`.
//!
//! Both are separate processes that write frames of the same size 20 times a second to the same readers, alternately.
//! The cost is the CPU time that the kernel charges to each.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a benchmark prints its figures, and a failing unwrap is a failure"
)]

use std::cell::RefCell;
use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command};
use std::rc::Rc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::task::LocalSet;

mod load;

const STEP_MS: u64 = 50;

const PASSES: usize = 5;

/// The argument that turns this program into the loop.
const LOOP: &str = "--loop-of-writes";

/// The result of one pass.
struct Cost {
    us_per_frame: f64,
    kib_per_viewer: f64,
    bytes_per_frame: f64,
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, size] = &args[..]
        && mode == LOOP
    {
        return write_on(size.parse().unwrap());
    }
    let mut numbers = args.iter().filter_map(|arg| arg.parse().ok());
    let viewers = numbers.next().unwrap_or(1000);
    let seconds = numbers.next().unwrap_or(5);
    let passes = (0..PASSES).map(|_| {
        let plain = of_replay(viewers, seconds, false);
        let floor = of_loop(viewers, seconds, plain.bytes_per_frame);
        let compressed = of_replay(viewers, seconds, true);
        [plain, floor, compressed]
    });
    let passes: Vec<_> = passes.collect();
    println!("{viewers} viewers, {PASSES} passes of {seconds} s");
    let of = |at: usize, figure: fn(&Cost) -> f64| median(passes.iter().map(|it| figure(&it[at])));
    for (at, what) in ["replay", "loop of writes", "compressed"]
        .iter()
        .enumerate()
    {
        println!(
            "{what:15} {:5.0} bytes and {:.2} µs a frame, {:.1} KiB a viewer",
            of(at, |cost| cost.bytes_per_frame),
            of(at, |cost| cost.us_per_frame),
            of(at, |cost| cost.kib_per_viewer)
        );
    }
    let ratios = passes
        .iter()
        .map(|it| it[0].us_per_frame / it[1].us_per_frame);
    println!(
        "ratio           {:.2} (median of the passes), plain to loop",
        median(ratios)
    );
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn of_replay(viewers: usize, seconds: usize, inflates: bool) -> Cost {
    let recording = load::recording(1200, STEP_MS);
    let (server, port) = load::replay(
        recording.path(),
        &["--loop", "--rebase", "--max-viewers", "60000"],
    );
    let connect = || load::viewer(port, inflates);
    measure(server, connect, viewers, seconds)
}

fn of_loop(viewers: usize, seconds: usize, bytes_per_frame: f64) -> Cost {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([LOOP, &format!("{bytes_per_frame:.0}")]);
    let (server, port) = load::started(command);
    let connect = || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    measure(server, connect, viewers, seconds)
}

/// Connects viewers, reads all streams for a second, and then measures for `seconds`.
fn measure(
    mut server: Child,
    connect: impl Fn() -> TcpStream,
    viewers: usize,
    seconds: usize,
) -> Cost {
    // What the first viewer takes is taken once: code that runs for the first time, and the first frames.
    let first = connect();
    std::thread::sleep(Duration::from_secs(1));
    let before = resident_kib(&server);
    let mut streams = vec![first];
    streams.resize_with(viewers, &connect);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let received: Rc<RefCell<(u64, Vec<u8>)>> = Rc::default();
    let tasks = LocalSet::new();
    for (n, stream) in streams.into_iter().enumerate() {
        let received = Rc::clone(&received);
        tasks.spawn_local(async move {
            stream.set_nonblocking(true).unwrap();
            let mut stream = tokio::net::TcpStream::from_std(stream).unwrap();
            let mut buffer = vec![0; 4096];
            while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                let mut received = received.borrow_mut();
                received.0 += read as u64;
                if n == 0 {
                    received.1.extend_from_slice(&buffer[..read]);
                }
            }
        });
    }
    let figures = tasks.block_on(&runtime, async {
        let window = u64::try_from(seconds).unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (bytes, cpu) = (received.borrow().0, cpu_time(&server));
        tokio::time::sleep(Duration::from_secs(window)).await;
        (
            received.borrow().0 - bytes,
            cpu_time(&server) - cpu,
            resident_kib(&server),
        )
    });
    server.kill().unwrap();
    server.wait().unwrap();
    let (bytes, cpu, resident) = figures;
    let received = received.borrow();
    let frames = load::frames(&received.1);
    // The later ones have the usual size; a greeting doesn't.
    let usual = &frames[frames.len() / 2..];
    let bytes_per_frame = usual.concat().len() as f64 / usual.len() as f64;
    Cost {
        us_per_frame: cpu.as_secs_f64() * 1e6 / (bytes as f64 / bytes_per_frame),
        kib_per_viewer: (resident - before) / (viewers - 1) as f64,
        bytes_per_frame,
    }
}

/// The time that all threads of a process have spent on a CPU.
fn cpu_time(process: &Child) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{}/task", process.id())).unwrap();
    let nanoseconds = tasks.flatten().map(|task| {
        let spent = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        let first = spent.split(' ').next().and_then(|text| text.parse().ok());
        first.unwrap_or(0)
    });
    Duration::from_nanos(nanoseconds.sum())
}

fn resident_kib(process: &Child) -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Accepts connections and keeps writing frames of `size` bytes to them.
fn write_on(size: usize) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    println!("127.0.0.1:{}", listener.local_addr().unwrap().port());
    let (came, coming) = mpsc::channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            stream.set_nonblocking(true).unwrap();
            stream.set_nodelay(true).unwrap();
            stream.write_all(b"\r\n\r\n").unwrap(); // the end of a response head, for the readers
            came.send(stream).unwrap();
        }
    });
    let payload = u16::try_from(size - 4).unwrap().to_be_bytes();
    let mut frame = vec![b'x'; size];
    frame[..4].copy_from_slice(&[0x81, 126, payload[0], payload[1]]);
    let (mut viewers, mut due) = (Vec::new(), Instant::now());
    loop {
        viewers.extend(coming.try_iter());
        for viewer in &mut viewers {
            // Full or gone: the frame is lost.
            let _ = viewer.write(&frame);
        }
        due += Duration::from_millis(STEP_MS);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
}
