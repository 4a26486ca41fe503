//go:build go1.26 && !go1.27

package flow

import (
	"bytes"
	"crypto/tls"
	"unsafe"
)

// layerMemory returns how many bytes the buffers of an idle tls.Conn hold.
func layerMemory(t *tls.Conn) int {
	n := 0
	for _, offset := range []uintptr{layerFields.rawInput, layerFields.hand} {
		n += (*bytes.Buffer)(unsafe.Add(unsafe.Pointer(t), offset)).Cap()
	}
	return n
}
