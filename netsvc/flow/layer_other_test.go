//go:build !go1.26 || go1.27

package flow

import "crypto/tls"

// layerMemory makes the test fail: this version has not been checked.
func layerMemory(*tls.Conn) int { return 1 }
