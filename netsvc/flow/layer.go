//go:build go1.26 && !go1.27

package flow

import (
	"bytes"
	"crypto/tls"
	"reflect"
	"unsafe"
)

// A tls.Conn keeps two buffers for as long as it lives: rawInput, which grows
// to the largest record the peer ever sent (up to 33 KB), and hand, which held
// the ClientHello. They are 3.5 KB of the 7.4 KB of an idle connection, and a
// peer that sends one full record makes that 37 KB. So they are taken out of
// it whenever they are empty, and reading is done with lent memory, which
// also reads all that waits in one system call instead of 500 bytes at a time.
//
// This depends on what crypto/tls does with its own fields: rawInput and hand
// are only touched within Read, and nothing refers to their memory when they
// are empty and Read has last returned less than was asked for. It was checked
// in the source of Go 1.26, to which the build tag above ties it. Any other
// version gets layer_other.go, where connections are merely larger; checking a
// new version means reading readRecordOrCCS and readHandshakeBytes, and
// TestLayerGivesMemoryBack.

// layerFields are the offsets of the two buffers; ok says that they are there.
var layerFields = func() (f struct {
	rawInput, hand uintptr
	ok             bool
}) {
	conn, buffer := reflect.TypeFor[tls.Conn](), reflect.TypeFor[bytes.Buffer]()
	rawInput, ok1 := conn.FieldByName("rawInput")
	hand, ok2 := conn.FieldByName("hand")
	f.ok = ok1 && ok2 && rawInput.Type == buffer && hand.Type == buffer
	f.rawInput, f.hand = rawInput.Offset, hand.Offset
	return f
}()

// lendLayer makes t read with chunk until it is given back. Only t's reader
// may call it, between two Reads.
func lendLayer(t *tls.Conn, chunk []byte) {
	if !layerFields.ok {
		return
	}
	raw := (*bytes.Buffer)(unsafe.Add(unsafe.Pointer(t), layerFields.rawInput))
	*raw = *bytes.NewBuffer(append(chunk[:0], raw.Bytes()...))
}

// reclaimLayer ends lendLayer: what t has not used, which is part of a record,
// moves to memory of its own size. The last Read must have returned less than
// was asked for.
func reclaimLayer(t *tls.Conn) {
	if !layerFields.ok {
		return
	}
	for _, offset := range []uintptr{layerFields.rawInput, layerFields.hand} {
		b := (*bytes.Buffer)(unsafe.Add(unsafe.Pointer(t), offset))
		if b.Len() == 0 {
			*b = bytes.Buffer{}
		} else if offset == layerFields.rawInput {
			*b = *bytes.NewBuffer(bytes.Clone(b.Bytes()))
		}
	}
}
