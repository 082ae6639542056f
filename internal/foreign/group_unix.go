//go:build unix

package foreign

import (
	"os/exec"
	"syscall"
)

// ownGroup makes the command the leader of a new process group, so that killGroup reaches what it starts.
func ownGroup(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
}

// killGroup also ends what outlived the leader: the group's number stays taken while one member lives,
// and an empty group is no error worth telling.
func killGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
