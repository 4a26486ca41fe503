// Bench measures linnet beside Prosody, ejabberd and a floor program, all in one run on one machine, and prints a table of
// figures, ratios and goals.
//
//	go run ./tinytests/bench                    everything, median of 3 (about an hour)
//	go run ./tinytests/bench -quick             a first look (some minutes)
//	go run ./tinytests/bench -only 'chat*,paced' -servers linnet,floor -json figures.json
//
// Every server runs alone, pinned to one core, on a fresh copy of prepared data; the load runs on another core. The servers
// take turns within a round, and a figure is the median of the rounds. Compare ratios: absolute numbers are the machine's.
// Peers are installed with apt-get where they are missing and that is allowed, and otherwise left out with a reason. They
// have linnet's feature set (TLS offered, roster, offline, carbons, stream management, CSI, PEP, private storage, blocking,
// vCard, ping, registration, rooms), without limits and shapers, set up as someone who knows them would.
//
// What the figures mean:
//
//   - chat-plain, chat-tls: messages per second of the server's CPU time. 200 pairs; one of each sends to the other's bare
//     JID, bodies of 100 bytes, four of a pair under way at any time; one resource per account, available; archive off. The
//     server is saturated for 2 s and then measured for 6 s, until the last message has arrived. CPU time is the kernel's clock
//     of the process (user and system, all threads, what utime+stime in /proc/PID/stat count, in nanoseconds), so a
//     machine shared with others disturbs it less than it disturbs a rate.
//   - managed-plain, managed-tls: the same with stream management and carbons enabled by every client. Senders ask for an
//     acknowledgement after each five stanzas, clients answer the server's requests, and the run ends when the server has
//     acknowledged everything.
//   - archive: managed-plain with the archive on for all, empty at the start. Where an acknowledgement means that a message
//     is safe on disk, as linnet's does, this is the rate of durable messages; a message without acknowledgement at the end fails the run.
//   - paced-p50, paced-p99: time from a message's send to its receipt, at 1,000 messages a second in all, sent on a clock
//     whether or not earlier ones arrived; plain, archive off, 20 s.
//   - client-plain, client-tls: growth of the server's resident memory per client: 5,000 clients with stream management
//     (resumable), carbons and presence, 60 s after the last login, less what the fresh server took, archive on, no
//     collection forced. Rss of /proc/PID/smaps_rollup.
//   - idle: resident memory of a fresh server, everything on, 400 accounts, no client.
//   - start: from exec to the first stream features, over a data directory with 10 MB of archive that was closed cleanly.
//     Median of three starts per round.
//   - logins: whole sessions per second of the server's CPU time: connect, STARTTLS with a full TLS 1.3 handshake (X25519,
//     ECDSA P-256), SCRAM-SHA-1, bind, stream closed by both sides; 64 at once.
//
// MB and KB are powers of ten. Whatever the load, each message must arrive exactly once, unchanged and in order, and every
// IQ and acknowledgement must be right; otherwise the run fails and has no figure. The floor (see ./floor) takes any login
// and copies bytes from socket to socket: it says what the machine, its kernel and Go's network code cost without XMPP.
//
// The load is one thread that serves all logged-in clients with epoll: it must cost less than the floor program, or the
// load would be what is measured. The remarks on the standard error tell how busy both cores were; a run in which neither
// was has been disturbed by other programs (or waited for the disk), and is counted below the table. Two benchmarks never
// run at once on one machine: the second waits.
package main
