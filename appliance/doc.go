// Package appliance builds one device out of the services that were registered, runs it and ends it.
//
// It owns what there is once per node: the directory of its data, the store, the listening sockets, the live
// state, the current generation, the log, the guard and the control socket. It knows no service by name
// beyond the list of their order (order.go).
//
// # The way up
//
//	New      every service's Setup; the configuration is read and checked; nothing is touched yet
//	Run      store · who we are · sockets are bound · Start in order · Switch · sockets accept
//	Reload   a new generation beside the old one: Setup · check · bind · Start of what is new · swap
//	the end  sockets close · Stop in reverse · store
//
// A step that fails undoes those before it. A reload that fails leaves the generation that is there.
//
// # Locks
//
// Appliance.work is held by whatever changes the generation: Run's way up, Reload, the end. It is held
// during I/O and is never taken by a service. live.mu and sockets.mu are held for moments.
package appliance
