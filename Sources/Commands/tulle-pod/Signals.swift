import CLinux
import Glibc

/// Signals read from a descriptor instead of interrupting us.
struct Signals {
    let descriptor: Int32

    /// Blocks these signals and opens the descriptor they are read from.
    init(_ signals: Int32...) throws(Refusal) {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in signals { sigaddset(&set, signal) }
        sigprocmask(SIG_BLOCK, &set, nil)
        descriptor = clinux_signal_descriptor(&set)
        guard descriptor >= 0 else { throw .last("signalfd") }
    }

    /// The next signal; `nil` when none waits.
    func next() -> Int32? {
        let signal = clinux_signal_next(descriptor)
        return signal < 0 ? nil : signal
    }

    /// What a command must find when it starts: nothing blocked.
    static func unblockAll() {
        var set = sigset_t()
        sigfillset(&set)
        sigprocmask(SIG_UNBLOCK, &set, nil)
    }
}

/// Waits until one of the descriptors can be read, and says which.
func awaitReadable(_ descriptors: [Int32]) -> Set<Int32> {
    var waits = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
    while true {
        if poll(&waits, nfds_t(waits.count), -1) > 0 { return Set(waits.filter { $0.revents != 0 }.map(\.fd)) }
        guard errno == EINTR else { return [] }
    }
}

/// How a child ended, as a shell says it.
func exitStatus(ofWait status: Int32) -> Int32 {
    let signal = status & 0x7F
    return signal == 0 ? (status >> 8) & 0xFF : 128 + signal
}
