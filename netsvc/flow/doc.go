// Package flow moves bytes between sockets and memory for every service:
// readers that hold nothing while they wait, writers that exist only while
// bytes wait, token buckets, pooled buffers, and the limit on how many may
// knock at a time.
//
// It owns the socket of each accepted connection, the memory its bytes pass
// through, and the order and fate of what is written. It does not know any
// protocol: what the bytes mean, and when a peer has said too much, is its
// caller's business. Nor does it accept: the appliance does, on sockets that
// Listen made, and hands them to the service whose they are.
//
// # Reading
//
// A connection is read in one of two ways, and may change between them:
//
//   - Fill: a goroutine of the caller's parks until bytes arrive. Straight
//     code, one goroutine (2.4 KB and more) for each connection: negotiation,
//     and the few connections between servers.
//   - Serve: the caller's Handler gets a Turn when bytes arrive, and nothing
//     exists for the connection meanwhile but its state. This is for the many
//     that idle.
//
// # Writing
//
// An Outbox takes Items from anybody and never blocks. The shards of a Pump
// write what their outboxes hold, after the turns that filled them, so that
// everything one round of reading made for a peer leaves in one system call.
//
// # Shards
//
// A Pump has a shard for each processor. A shard is one epoll set, a queue of
// connections with something to read, a queue of connections with something
// to write, and one leader: the goroutine that waits for the set and works off
// both queues. A Turn may block (a disk, a lock): when the leader has not
// moved for two milliseconds another one takes over, and the first ends when
// its Turn does. A lone box therefore has as many goroutines as processors,
// plus one for each Turn that is stuck.
//
// Connections without a file descriptor (net.Pipe, a simulated network) work
// the same with goroutines that block, so that tests run in a synctest bubble.
//
// # Figures
//
// On two cores at 2 GHz, the server on one and the load on the other (see
// bench_test.go, 2026-11): messages of 200 bytes per second of the server's CPU
// time, 200 pairs with four in flight each; bytes of private memory for each of
// 2,000 idle connections ten seconds after the last login, and behind the stroke
// after a collection.
//
//	                                   plain      TLS   idle plain     idle TLS
//	floor: goroutine, Read, Write    350,000  235,000  7,900/7,900  25,300/18,900
//	Pump and Turns                   365,000  310,000      970/590    7,600/4,700
//	Pump and Fill                    315,000  290,000  3,800/3,400   12,900/9,800
//	no Pump: goroutine per outbox    210,000  140,000  8,400/7,600  25,300/18,900
//
// Writing right after each Turn instead of after a round of them costs the same
// while the server has time to spare; when it has not (2.5 µs of work for each
// message) it does 188,000 instead of 237,000, since fewer messages gather.
// Rounds of 16 to 256 do not differ. Nine tenths of the time is the kernel's.
//
// # Locks
//
// A connection's mutex guards its state and its outbox; a shard's guards its
// queues; a pool's guards a free list. They are taken in this order, each for
// a few lines, and none is held during a system call on a socket, a Turn, a
// Done, or encryption.
package flow
