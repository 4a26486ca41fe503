package usm

import (
	"crypto/cipher"
	"encoding/binary"
	"testing"
)

func oracle(t *testing.T, u *User, plain []byte, boots, time uint32, salt [SaltSize]byte) []byte {
	t.Helper()
	iv := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, boots), time)
	out := make([]byte, len(plain))
	cipher.NewCFBEncrypter(u.block, append(iv, salt[:]...)).XORKeyStream(out, plain) //nolint:staticcheck // an oracle
	return out
}
