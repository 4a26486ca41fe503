module linnet

go 1.26.0

require (
	github.com/BurntSushi/toml v1.6.0 // tests only: the oracle for our own reader of TOML, which is 90 KB of flash smaller
	github.com/gosnmp/gosnmp v1.47.0 // SNMP (owner's choice): localised keys on the device; the manager of tests and benchmarks, not written by us
	github.com/pion/logging v0.2.2 // the type of pion/turn's log, which is replaced by silence
	github.com/pion/stun/v2 v2.0.0 // STUN messages and their integrity (owner's choice)
	github.com/pion/turn/v3 v3.0.3 // TURN allocations and relaying, behind netsvc/turn/guard (owner's choice)
	github.com/xdg-go/scram v1.2.0 // SCRAM client of the tests and tools: an oracle not written by us
	go.etcd.io/bbolt v1.5.0 // the one store: crash-safe, one file, no compaction threads (owner's choice)
	golang.org/x/net v0.62.0 // idna: RFC 5891 domain parts of a JID
	golang.org/x/sys v0.49.0 // non-blocking socket reads and writes, statfs, sysinfo
	golang.org/x/text v0.43.0 // normalization and the bidi rule of PRECIS (RFC 8264); its own precis is the oracle of our tests
)

require (
	github.com/pion/dtls/v2 v2.2.7 // indirect
	github.com/pion/randutil v0.1.0 // indirect
	github.com/pion/transport/v2 v2.2.1 // indirect
	github.com/pion/transport/v3 v3.0.2 // indirect
	github.com/xdg-go/pbkdf2 v1.0.0 // indirect
	github.com/xdg-go/stringprep v1.0.4 // indirect
	golang.org/x/crypto v0.58.0 // indirect
)

// pion/stun v2 can connect over DTLS, which nothing here does: see the package's comment.
replace github.com/pion/dtls/v2 => ./netsvc/turn/nodtls
