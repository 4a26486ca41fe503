package main

import (
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// prosody is Prosody from the distribution, configured as someone who knows it would for many clients: epoll, and the
// generational collector, which costs a third to a fifth of the default one.
type prosody struct{}

func (prosody) name() string { return "prosody" }

func (prosody) find(string) (string, error) {
	if _, err := exec.LookPath("prosody"); err != nil {
		if err := installPackages("prosody", "lua-sec"); err != nil {
			return "", err
		}
	}
	return packageVersion("prosody"), nil
}

// peerSalt and peerIterations are those of all accounts of the peers, so that the load derives one key for all of them.
const (
	peerSalt       = "bench salt of 16"
	peerIterations = 10_000
)

// prepare writes the account files of Prosody's internal storage, as mod_auth_internal_hashed would.
func (prosody) prepare(_, data string, accounts int) error {
	keys, err := deriveKeys([]byte(peerSalt), peerIterations)
	if err != nil {
		return err
	}
	dir := filepath.Join(data, "bench%2elocal", "accounts")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	account := fmt.Sprintf("return {\n\t[\"salt\"] = %q;\n\t[\"iteration_count\"] = %d;\n\t[\"stored_key\"] = %q;\n\t[\"server_key\"] = %q;\n};\n",
		peerSalt, peerIterations, hex.EncodeToString(keys.stored), hex.EncodeToString(keys.server))
	for i := range accounts {
		if err := os.WriteFile(filepath.Join(dir, accountName(i)+".dat"), []byte(account), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (prosody) command(place, data string, archive bool) (*exec.Cmd, addresses, error) {
	at, err := freeAddress()
	if err != nil {
		return nil, addresses{}, err
	}
	mam := ""
	if archive {
		mam = `"mam";`
	}
	config := filepath.Join(data, "prosody.cfg.lua")
	err = writeFile(config, prosodyConfig, map[string]string{"DATA": data, "PLACE": place, "PORT": port(at), "ARCHIVE": mam})
	return exec.Command("prosody", "-F", "--config", config), addresses{plain: at, tls: at}, err
}

const prosodyConfig = `
run_as_root = true
daemonize = false
network_backend = "epoll"
gc = { mode = "generational" }
data_path = "@DATA@"
pidfile = "@DATA@/prosody.pid"
log = { warn = "*console" }
interfaces = { "127.0.0.1" }
c2s_ports = { @PORT@ }
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = "internal_hashed"
storage = "internal"
default_archive_policy = true
archive_expires_after = "never"
modules_disabled = { "s2s" }
modules_enabled = {
	"roster"; "saslauth"; "tls"; "disco"; "posix"; "offline"; "carbons"; "smacks"; "csi"; "csi_simple"; "pep";
	"private"; "blocklist"; "vcard4"; "vcard_legacy"; "ping"; "register"; "time"; "version"; @ARCHIVE@
}
VirtualHost "bench.local"
	ssl = { certificate = "@PLACE@/certificate.pem"; key = "@PLACE@/key.pem" }
Component "rooms.bench.local" "muc"
`
