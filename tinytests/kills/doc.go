// Package kills tests the promise: what the server has acknowledged to a sender is not lost, whatever ends the
// server. It runs the real program as a child, has people talk with small XEP-0198 clients of their own, ends the
// program in the middle of it, starts it again on the same files, and compares what everybody saw.
//
// # Who talks
//
// Senders write numbered messages to receivers of each kind (cast.go): there with stream management and without,
// absent, coming and going, with an archive and without. A receiver acknowledges at once, late or never, as chance
// has it.
//
// # How the program ends
//
//   - by SIGKILL at the n-th system call by which the store changes its files, injected by strace, or at a random
//     moment: nobody may resume afterwards;
//   - by SIGTERM at a random moment: everybody must be able to resume, with exact counts;
//   - by SIGTERM and, while that is under way, SIGKILL;
//   - after writes and syncs that failed: the server says so or stops acknowledging.
//
// # What must hold (book.go)
//
//   - Every message acknowledged to its sender reaches its recipient, stands in his archive, or was answered with an
//     error. A client without stream management has what was written to its socket.
//   - Messages of one sender reach one recipient in the order in which they were sent, and stand in that order in his
//     archive, each once.
//   - Nothing comes twice that the recipient has acknowledged so that the server must know it for good. It knows when
//     it has answered, after the acknowledgement, a request that waits for the account's earlier writes.
//   - linnet.db passes the store's check after each end.
//
// LINNET_KILLS=N makes N kills instead of the few of a usual run. The package owns nothing of the product; it has to
// see it as clients do.
package kills
