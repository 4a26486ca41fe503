package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"sync"
)

// password is the one password of all accounts of a benchmark.
const password = "a bench password"

// scramKeys is what RFC 5802 section 3 derives from password, salt and iteration count; the servers store the last two.
type scramKeys struct {
	client, stored, server []byte
}

func deriveKeys(salt []byte, iterations int) (scramKeys, error) {
	salted, err := pbkdf2.Key(sha1.New, password, salt, iterations, sha1.Size)
	if err != nil {
		return scramKeys{}, err
	}
	client := mac(salted, []byte("Client Key"))
	stored := sha1.Sum(client)
	return scramKeys{client: client, stored: stored[:], server: mac(salted, []byte("Server Key"))}, nil
}

func mac(key, data []byte) []byte {
	h := hmac.New(sha1.New, key)
	h.Write(data)
	return h.Sum(nil)
}

// keyring derives each salt's keys once, so that a login costs the load four HMACs and not thousands:
// the figure is the server's work, and the load must keep up with it on one core.
type keyring struct {
	mu   sync.Mutex
	keys map[string]scramKeys
}

func (k *keyring) get(salt []byte, iterations int) (scramKeys, error) {
	name := strconv.Itoa(iterations) + " " + string(salt)
	k.mu.Lock()
	defer k.mu.Unlock()
	if found, ok := k.keys[name]; ok {
		return found, nil
	}
	made, err := deriveKeys(salt, iterations)
	if err != nil {
		return made, err
	}
	if k.keys == nil {
		k.keys = map[string]scramKeys{}
	}
	k.keys[name] = made
	return made, nil
}

// scram is one SCRAM-SHA-1 exchange without channel binding (RFC 5802), the client's side.
type scram struct {
	ring        *keyring
	firstBare   string
	serverProof []byte
}

// first returns the client-first-message.
func (s *scram) first(account string) string {
	var nonce [18]byte
	rand.Read(nonce[:])
	s.firstBare = "n=" + account + ",r=" + base64.RawStdEncoding.EncodeToString(nonce[:])
	return "n,," + s.firstBare
}

// final answers the server-first-message with the client-final-message.
func (s *scram) final(challenge []byte) (string, error) {
	fields := bytes.SplitN(challenge, []byte(","), 3)
	if len(fields) != 3 || !bytes.HasPrefix(fields[0], []byte("r=")) || !bytes.HasPrefix(fields[1], []byte("s=")) || !bytes.HasPrefix(fields[2], []byte("i=")) {
		return "", fmt.Errorf("SCRAM challenge %q", challenge)
	}
	salt, err := base64.StdEncoding.DecodeString(string(fields[1][2:]))
	if err != nil {
		return "", err
	}
	iterations, err := strconv.Atoi(string(fields[2][2:]))
	if err != nil {
		return "", err
	}
	keys, err := s.ring.get(salt, iterations)
	if err != nil {
		return "", err
	}
	bare := "c=biws," + string(fields[0])
	message := []byte(s.firstBare + "," + string(challenge) + "," + bare)
	proof := mac(keys.stored, message)
	subtle.XORBytes(proof, proof, keys.client)
	s.serverProof = mac(keys.server, message)
	return bare + ",p=" + base64.StdEncoding.EncodeToString(proof), nil
}

// verify checks the server-final-message: a server that does not know the password is no server of ours.
func (s *scram) verify(final []byte) error {
	want := "v=" + base64.StdEncoding.EncodeToString(s.serverProof)
	if string(final) != want {
		return errors.New("SCRAM: the server's signature is wrong")
	}
	return nil
}
