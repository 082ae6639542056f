//go:build !unix

package foreign

import "os/exec"

// Process groups are a Unix matter: elsewhere only the program itself is ended.
func ownGroup(*exec.Cmd) {}

func killGroup(cmd *exec.Cmd) { _ = cmd.Process.Kill() }
