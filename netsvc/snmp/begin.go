package snmp

import (
	"os"
	"strings"

	"linnet/store"
)

// bootID is what the kernel calls this run of the machine.
const bootID = "/proc/sys/kernel/random/boot_id"

// begun tells the targets that the agent runs: warmStart when only the program was started again, coldStart when
// the machine was, or when nobody knows.
func (a *Agent) begun(s *service) {
	text, _ := os.ReadFile(bootID)
	boot := strings.TrimSpace(string(text))
	var last string
	err := s.host.Store().View(func(tx *store.Tx) error {
		b, _ := tx.Get(s.table, []byte(rowBoot))
		last = string(b)
		return nil
	})
	if err == nil && boot != "" && boot == last {
		a.standard("warmStart", warmStart)
		return
	}
	a.standard("coldStart", coldStart)
	var b store.Batch
	b.Put(s.table, []byte(rowBoot), []byte(boot))
	s.host.Store().Submit(&b, func(error) {})
}
