import APIServer
import CLinux
import Glibc
import NIOCore
import NIOPosix
import Synchronization

/// Our ends of a command's pipes, or of its terminal; what nobody took is closed with it.
final class CommandPipes: Sendable {
    private let descriptors: Mutex<[StreamPart: CInt]>

    private init(_ descriptors: [StreamPart: CInt]) { self.descriptors = Mutex(descriptors) }

    deinit { descriptors.withLock { for descriptor in $0.values { close(descriptor) } } }

    /// Whoever takes it closes it.
    func take(_ part: StreamPart) -> CInt? { descriptors.withLock { $0.removeValue(forKey: part) } }

    /// The size of the terminal; nothing when there is none.
    func resize(columns: Int, lines: Int) {
        guard let columns = UInt16(exactly: columns), let lines = UInt16(exactly: lines) else { return }
        descriptors.withLock { descriptors in
            guard let terminal = descriptors[.size] else { return }
            var size = winsize(ws_row: lines, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
            _ = ioctl(terminal, UInt(TIOCSWINSZ), &size)
        }
    }

    /// - Returns: our ends, and the command's, which the caller closes when it has started.
    static func open(_ options: StreamOptions) throws(LabError) -> (CommandPipes, Child.Streams) {
        if options.tty { return try terminal(options) }
        var ours: [StreamPart: CInt] = [:]
        var streams = Child.Streams()
        func null() -> CInt { Glibc.open("/dev/null", O_RDWR | O_CLOEXEC) }
        do throws(LabError) {
            if options.stdin {
                let ends = try pair()
                (streams.input, ours[.input]) = (ends.reading, ends.writing)
            } else {
                streams.input = null()
            }
            if options.stdout {
                let ends = try pair()
                (ours[.output], streams.output) = (ends.reading, ends.writing)
            } else {
                streams.output = null()
            }
            if options.stderr {
                let ends = try pair()
                (ours[.errors], streams.error) = (ends.reading, ends.writing)
            } else {
                streams.error = null()
            }
        } catch {
            streams.close()
            _ = CommandPipes(ours)
            throw error
        }
        return (CommandPipes(ours), streams)
    }

    /// Both ends of a pipe.
    static func pair() throws(LabError) -> (reading: CInt, writing: CInt) {
        var ends: [CInt] = [-1, -1]
        guard clinux_pipe(&ends) == 0 else { throw LabError(.processFailed, "make a pipe: errno \(errno)") }
        return (ends[0], ends[1])
    }

    private static func terminal(_ options: StreamOptions) throws(LabError) -> (CommandPipes, Child.Streams) {
        var (master, slave): (CInt, CInt) = (-1, -1)
        guard clinux_terminal(&master, &slave) == 0 else { throw LabError(.processFailed, "make a terminal: errno \(errno)") }
        var ours: [StreamPart: CInt] = [.size: master]
        ours[.output] = fcntl(master, F_DUPFD_CLOEXEC, 3)
        if options.stdin { ours[.input] = fcntl(master, F_DUPFD_CLOEXEC, 3) }
        return (CommandPipes(ours), Child.Streams(input: slave, output: slave, error: slave))
    }
}

/// Reads and writes pipes without a thread that waits.
enum PipeEnd {
    /// Hands over what comes until the other end is closed everywhere.
    ///
    /// - Parameter descriptor: closed at the end.
    static func read(_ descriptor: CInt, _ body: (ByteBuffer) async throws -> Void) async throws {
        let channel: NIOAsyncChannel<ByteBuffer, Never> = try await NIOPipeBootstrap(
            group: MultiThreadedEventLoopGroup.singleton
        ).takingOwnershipOfDescriptor(input: descriptor) { channel in
            channel.eventLoop.makeCompletedFuture { try NIOAsyncChannel(wrappingChannelSynchronously: channel) }
        }
        try await channel.executeThenClose { inbound in
            var chunks = inbound.makeAsyncIterator()
            while true {
                let chunk: ByteBuffer?
                do {
                    chunk = try await chunks.next()
                } catch let error as IOError where error.errnoCode == EIO {
                    // A terminal that nobody has open any more.
                    return
                }
                guard let chunk else { return }
                try await body(chunk)
            }
        }
    }

    /// Writes what is handed over until there is no more, or nobody reads it.
    ///
    /// - Parameter descriptor: closed at the end.
    static func write(_ source: Handoff<ByteBuffer>, to descriptor: CInt) async {
        defer { source.finish() }
        do {
            let channel: NIOAsyncChannel<Never, ByteBuffer> = try await NIOPipeBootstrap(
                group: MultiThreadedEventLoopGroup.singleton
            ).takingOwnershipOfDescriptor(output: descriptor) { channel in
                channel.eventLoop.makeCompletedFuture { try NIOAsyncChannel(wrappingChannelSynchronously: channel) }
            }
            try await channel.executeThenClose { _, outbound in
                while let bytes = try await source.take() { try await outbound.write(bytes) }
                // What is written may wait for the reader yet, and closing would throw it away: nothing more comes after it.
                try await channel.channel.writeAndFlush(ByteBuffer())
            }
        } catch {
            // Nobody reads it: what else comes is passed over.
        }
    }
}
