// Package dtls stands in for github.com/pion/dtls/v2, which pion/stun v2 imports for a way of connecting that nothing
// here uses. The real one brings encoding/gob and its start-up work onto the device, and every release of its version 2
// has CVE-2026-26014 (nonces of AES-GCM that repeat), which a scanner would find in the program. go.mod replaces it.
package dtls

import (
	"errors"
	"net"
)

// Config is what pion/stun sets.
type Config struct{ ServerName string }

// Conn is never made.
type Conn struct{ net.Conn }

// Client fails.
func Client(net.Conn, *Config) (*Conn, error) {
	return nil, errors.New("dtls: not in this program")
}
