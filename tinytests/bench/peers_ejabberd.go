package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// ejabberd is ejabberd from the distribution with one scheduler, as it has one core, over Mnesia.
// The virtual machine is started without ejabberdctl: no distribution, so no name, cookie or epmd, and the child is beam itself.
type ejabberd struct{}

func (ejabberd) name() string { return "ejabberd" }

func (ejabberd) find(string) (string, error) {
	if _, err := exec.LookPath("ejabberdctl"); err != nil {
		if err := installPackages("ejabberd"); err != nil {
			return "", err
		}
	}
	if _, err := ejabberdLibraries(); err != nil {
		return "", err
	}
	return packageVersion("ejabberd"), nil
}

// ejabberdLibraries finds the directory that ejabberdctl hands to the virtual machine as ERL_LIBS.
func ejabberdLibraries() (string, error) {
	found, _ := filepath.Glob("/usr/lib/*/ejabberd-*/ebin/ejabberd.app")
	if len(found) == 0 {
		return "", fmt.Errorf("no ejabberd.app under /usr/lib: not the Debian package?")
	}
	return filepath.Dir(filepath.Dir(filepath.Dir(found[0]))), nil
}

// prepare starts a node on the data, writes the accounts' records, and stops it.
func (e ejabberd) prepare(place, data string, accounts int) error {
	keys, err := deriveKeys([]byte(peerSalt), peerIterations)
	if err != nil {
		return err
	}
	text := base64.StdEncoding.EncodeToString
	script := fmt.Sprintf(`ok = mnesia:wait_for_tables([passwd], 60000),
		lists:foreach(fun(I) ->
			User = <<"u", (integer_to_binary(I))/binary>>,
			ok = mnesia:dirty_write({passwd, {User, <<"%s">>}, {scram, <<"%s">>, <<"%s">>, <<"%s">>, sha, %d}})
		end, lists:seq(0, %d)),
		io:format("accounts written~n"), init:stop().`,
		domain, text(keys.stored), text(keys.server), text([]byte(peerSalt)), peerIterations, accounts-1)
	cmd, _, err := e.command(place, data, false)
	if err != nil {
		return err
	}
	cmd.Args = append(cmd.Args, "-eval", strings.Join(strings.Fields(script), " "))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("accounts written")) {
		return fmt.Errorf("ejabberd wrote no accounts (%v): %s", err, out)
	}
	return nil
}

func (ejabberd) command(place, data string, archive bool) (*exec.Cmd, addresses, error) {
	at, err := freeAddress()
	if err != nil {
		return nil, addresses{}, err
	}
	libraries, err := ejabberdLibraries()
	if err != nil {
		return nil, addresses{}, err
	}
	mam := ""
	if archive {
		mam = "mod_mam: { default: always, db_type: mnesia }"
	}
	config := filepath.Join(data, "ejabberd.yml")
	err = writeFile(config, ejabberdConfig, map[string]string{"PLACE": place, "PORT": port(at), "ARCHIVE": mam})
	cmd := exec.Command("erl", "-noinput", "+K", "true", "+S", "1:1", "+P", "250000", "+Q", "65536",
		"-mnesia", "dir", `"`+filepath.Join(data, "mnesia")+`"`, "-s", "ejabberd")
	cmd.Dir = data
	cmd.Env = append(os.Environ(), "HOME="+data, "ERL_LIBS="+libraries, "EJABBERD_CONFIG_PATH="+config,
		"EJABBERD_LOG_PATH="+filepath.Join(data, "ejabberd.log"), "ERL_CRASH_DUMP_SECONDS=0", "ERL_MAX_ETS_TABLES=1400")
	return cmd, addresses{plain: at, tls: at}, err
}

const ejabberdConfig = `
loglevel: warning
hosts: [bench.local]
certfiles: ["@PLACE@/both.pem"]
auth_method: mnesia
auth_password_format: scram
disable_sasl_mechanisms: [digest-md5, X-OAUTH2]
listen:
  -
    port: @PORT@
    ip: "127.0.0.1"
    module: ejabberd_c2s
    max_stanza_size: 262144
    starttls: true
    backlog: 4096
shaper_rules:
  max_user_sessions: 10
  max_user_offline_messages: infinity
modules:
  mod_adhoc: {}
  mod_blocking: {}
  mod_caps: {}
  mod_carboncopy: {}
  mod_client_state: {}
  mod_disco: {}
  mod_muc: { host: rooms.bench.local }
  mod_offline: { access_max_user_messages: max_user_offline_messages }
  mod_ping: {}
  mod_privacy: {}
  mod_private: {}
  mod_pubsub: { plugins: [flat, pep] }
  mod_register: {}
  mod_roster: { versioning: true }
  mod_stream_mgmt: { resend_on_timeout: if_offline }
  mod_vcard: { search: false }
  mod_version: {}
  @ARCHIVE@
`
