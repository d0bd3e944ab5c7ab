import CLinux
import Glibc
import NIOCore
import Synchronization

/// The terminal of a container (`tty: true`): what is typed goes in, what it shows goes to its log and to all who are attached.
///
/// ```
///   container ◄─slave──master─► here ──pipe──► shim ──► log
///                                └──────────► whoever is attached
/// ```
final class ContainerTerminal: Sendable {
    /// The container's end and the reading end of the pipe to its log: for its start, and closed after that.
    struct Ends: Sendable {
        var slave: CInt
        var log: CInt

        func close() {
            _ = Glibc.close(slave)
            _ = Glibc.close(log)
        }
    }

    private let master: CInt
    private let logging: CInt
    private let state = Mutex(State())

    private struct State {
        var viewers: [Int: Handoff<ByteBuffer>] = [:]
        var next = 0
        var (isShown, isOver) = (false, false)
    }

    private init(master: CInt, logging: CInt) { (self.master, self.logging) = (master, logging) }

    deinit {
        close(master)
        if state.withLock({ !$0.isShown }) { close(logging) }
    }

    static func open() throws(LabError) -> (ContainerTerminal, Ends) {
        let log = try CommandPipes.pair()
        var (master, slave): (CInt, CInt) = (-1, -1)
        guard clinux_terminal(&master, &slave) == 0 else {
            let code = errno
            _ = (close(log.reading), close(log.writing))
            throw LabError(.processFailed, "make a terminal: errno \(code)")
        }
        return (ContainerTerminal(master: master, logging: log.writing), Ends(slave: slave, log: log.reading))
    }

    /// Shows what the container says until it has closed its terminal everywhere. To be called once.
    func show() async {
        state.withLock { $0.isShown = true }
        let log = Handoff<ByteBuffer>()
        async let logged: Void = PipeEnd.write(log, to: logging)
        try? await PipeEnd.read(fcntl(master, F_DUPFD_CLOEXEC, 3)) { bytes in
            await log.give(bytes)
            for (number, viewer) in state.withLock({ $0.viewers }) where !(await viewer.give(bytes)) { leave(number) }
        }
        log.finish()
        await logged
        let viewers = state.withLock { state in
            state.isOver = true
            return state.viewers.values
        }
        for viewer in viewers { viewer.finish() }
    }

    /// Everything it shows from now on; whoever no longer wants it ends the hand-over.
    func watched() -> Handoff<ByteBuffer> {
        let viewer = Handoff<ByteBuffer>()
        let isOver = state.withLock { state in
            if !state.isOver {
                state.viewers[state.next] = viewer
                state.next += 1
            }
            return state.isOver
        }
        if isOver { viewer.finish() }
        return viewer
    }

    private func leave(_ number: Int) { state.withLock { _ = $0.viewers.removeValue(forKey: number) } }

    /// Where one types; the caller closes it.
    var keyboard: CInt { fcntl(master, F_DUPFD_CLOEXEC, 3) }

    func resize(columns: Int, lines: Int) {
        guard let columns = UInt16(exactly: columns), let lines = UInt16(exactly: lines) else { return }
        var size = winsize(ws_row: lines, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
        _ = ioctl(master, UInt(TIOCSWINSZ), &size)
    }
}
