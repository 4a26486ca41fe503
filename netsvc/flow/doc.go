// Package flow moves bytes between sockets and memory for every service:
// readers that hold nothing while they wait, writers that exist only while
// bytes wait, token buckets, pooled buffers and listeners.
//
// It owns the socket of each accepted connection, the memory its bytes pass
// through, and the order and fate of what is written. It does not know any
// protocol: what the bytes mean, and when a peer has said too much, is its
// caller's business.
package flow
