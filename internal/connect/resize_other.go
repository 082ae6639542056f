//go:build !unix

package connect

// watchSize does nothing where no signal tells of a new size.
func watchSize(func()) (stop func()) { return func() {} }
