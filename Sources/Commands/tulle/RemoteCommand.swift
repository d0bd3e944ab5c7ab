import Glibc
import KubeAPI
import Lab

/// A command that the supervisor runs with our standard input, output and error; from a terminal with a terminal of its own.
struct RemoteCommand {
    private let control: LabControl

    init(_ lab: LabDirectory) { control = LabControl(lab) }

    /// - Returns: the command's status, as a shell says it.
    func run(_ question: JSONValue) throws -> Int32 {
        guard isatty(STDIN_FILENO) == 1, isatty(STDOUT_FILENO) == 1, let terminal = PseudoTerminal() else {
            let answer = try control.ask(question, descriptors: [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO])
            return Int32(clamping: answer["exit"]?.number?.integer ?? 1)
        }
        var question = question
        question[at: "terminal"] = true
        defer { terminal.restore() }
        let answer = try control.ask(question, descriptors: [terminal.slave, terminal.slave, terminal.slave]) { socket in
            terminal.carry(until: socket)
        }
        return Int32(clamping: answer["exit"]?.number?.integer ?? 1)
    }
}

/// A terminal for a command that is no child of ours, with our own one in raw mode meanwhile.
final class PseudoTerminal {
    let slave: Int32
    private let master: Int32
    private var before = termios()
    private var size = winsize()

    /// `TIOCSPTLCK` and `TIOCGPTPEER` of asm-generic/ioctls.h.
    private static let (setLock, openPeer): (UInt, UInt) = (0x4004_5431, 0x5441)

    /// `nil` when the machine gives none.
    init?() {
        master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
        var lock: Int32 = 0
        guard master >= 0, ioctl(master, Self.setLock, &lock) == 0 else { return nil }
        slave = ioctl(master, Self.openPeer, O_RDWR | O_NOCTTY | O_CLOEXEC)
        guard slave >= 0, tcgetattr(STDIN_FILENO, &before) == 0 else { return nil }
        takeSize()
        var raw = before
        cfmakeraw(&raw)
        tcsetattr(STDIN_FILENO, TCSANOW, &raw)
    }

    func restore() { tcsetattr(STDIN_FILENO, TCSANOW, &before) }

    /// Ours is as large as that.
    private func takeSize() {
        var now = winsize()
        guard ioctl(STDIN_FILENO, UInt(TIOCGWINSZ), &now) == 0, now.ws_row != size.ws_row || now.ws_col != size.ws_col else {
            return
        }
        size = now
        _ = ioctl(master, UInt(TIOCSWINSZ), &now)
    }

    /// Carries bytes both ways until there is something to read from the descriptor: the command has ended.
    func carry(until descriptor: Int32) {
        var reads = true
        while true {
            var entries = [
                pollfd(fd: master, events: Int16(POLLIN), revents: 0),
                pollfd(fd: reads ? STDIN_FILENO : -1, events: Int16(POLLIN), revents: 0),
                pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
            ]
            // Twice a second the size of the window is looked at.
            poll(&entries, 3, 500)
            takeSize()
            if entries[0].revents != 0, copy(master, STDOUT_FILENO) { continue }
            if entries[1].revents != 0, !copy(STDIN_FILENO, master) { reads = false }
            if entries[2].revents != 0, entries[0].revents & Int16(POLLIN) == 0 { return }
        }
    }

    private func copy(_ from: Int32, _ to: Int32) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 65536)
        let count = read(from, &buffer, buffer.count)
        guard count > 0 else { return false }
        var rest = buffer[..<count]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { write(to, $0.baseAddress, $0.count) }
            guard written > 0 else { return false }
            rest = rest.dropFirst(written)
        }
        return true
    }
}
