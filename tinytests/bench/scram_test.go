package main

import (
	"testing"

	oracle "github.com/xdg-go/scram"
)

// TestScram logs in at a server that others wrote, with the keys that the peers' accounts are made of.
func TestScram(t *testing.T) {
	keys, err := deriveKeys([]byte(peerSalt), peerIterations)
	if err != nil {
		t.Fatal(err)
	}
	server, err := oracle.SHA1.NewServer(func(string) (oracle.StoredCredentials, error) {
		return oracle.StoredCredentials{
			KeyFactors: oracle.KeyFactors{Salt: peerSalt, Iters: peerIterations},
			StoredKey:  keys.stored, ServerKey: keys.server,
		}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var ring keyring
	for range 2 { // the second time with the keys of the first
		theirs, mine := server.NewConversation(), scram{ring: &ring}
		challenge, err := theirs.Step(mine.first("u1"))
		if err != nil {
			t.Fatal(err)
		}
		final, err := mine.final([]byte(challenge))
		if err != nil {
			t.Fatal(err)
		}
		signature, err := theirs.Step(final)
		if err != nil || !theirs.Valid() {
			t.Fatalf("the server refused: %v", err)
		}
		if err := mine.verify([]byte(signature)); err != nil {
			t.Error(err)
		}
		if err := mine.verify([]byte("v=" + signature)); err == nil {
			t.Error("a wrong signature was believed")
		}
	}
	if len(ring.keys) != 1 {
		t.Errorf("%d keys were derived for one salt", len(ring.keys))
	}
}

func TestScramRefusesChallenges(t *testing.T) {
	for _, challenge := range []string{"", "e=other-error", "r=x,s=!!,i=1", "r=x,s=YQ==,i=many", "r=x,i=1,s=YQ=="} {
		s := scram{ring: &keyring{}}
		s.first("u1")
		if _, err := s.final([]byte(challenge)); err == nil {
			t.Errorf("challenge %q was answered", challenge)
		}
	}
}
