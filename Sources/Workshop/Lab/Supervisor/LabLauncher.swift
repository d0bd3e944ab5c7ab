import CLinux
import Glibc
import KubeAPI
import Synchronization

/// Brings a lab up, detached from whoever asks, and tells how far it is.
public struct LabLauncher: Sendable {
    private let directory: LabDirectory
    private let programs: String

    public init(_ directory: LabDirectory, programs: String) { (self.directory, self.programs) = (directory, programs) }

    public enum Outcome: Hashable, Sendable {
        /// A new one.
        case made
        /// One that was there and had stopped, with its objects.
        case resumed
    }

    /// Returns when all nodes are Ready. When it throws or is cancelled, what it began is taken down; the objects of a lab that was
    /// there before stay.
    ///
    /// - Parameters:
    ///   - settings: what it is to be. A lab that has stopped there must have been made like that; its port may be another.
    ///   - asKept: true: a lab that has stopped there comes up as it was, whatever the settings say, but for a port they name.
    ///   - say: called for each step.
    public func bringUp(
        _ settings: LabSettings, asKept: Bool, say: @Sendable (String, String) -> Void
    ) async throws -> Outcome {
        let tools = try Tools(directory: programs)
        guard !directory.isUp else {
            throw LabError(
                .alreadyUp, "a lab is up in \(directory.path)",
                remedy: "see tulle lab status\(directory.options), or take it down: tulle lab down\(directory.options)")
        }
        // What is left of one whose directory was removed would stand in the way.
        try directory.endProcesses()
        let kept = try directory.readSettings()
        if let kept, !asKept, !settings.isSame(as: kept) {
            throw LabError(
                .settingsRefused, "the lab in \(directory.path) has stopped and was made with other settings",
                remedy: "start it as it was: tulle lab up\(directory.options), without more options; or take it down first: "
                    + "tulle lab down\(directory.options)")
        }
        var wanted = kept ?? settings
        if settings.port != 0 { wanted.port = settings.port }
        guard wanted.faults.isEmpty else { throw LabError(.settingsRefused, wanted.faults.joined(separator: "; ")) }
        try directory.make(for: wanted)
        if wanted != kept { try directory.write(wanted) }
        do {
            try await start(tools, say)
        } catch let error as LabError where error.code == .alreadyUp {
            throw error
        } catch {
            try? directory.endProcesses()
            guard kept == nil else { throw error }
            let logs = (error as? LabError)?.code == .processFailed ? directory.keepLogs() : nil
            directory.remove()
            guard let logs, var error = error as? LabError else { throw error }
            // Where it was when somebody named it.
            error.message.replace(directory.supervisorLog, with: "\(logs)/supervisor.log")
            error.remedy = "its logs are in \(logs)"
            throw error
        }
        return kept == nil ? .made : .resumed
    }

    private func start(_ tools: Tools, _ say: (String, String) -> Void) async throws {
        truncate(directory.supervisorLog, 0)
        let log = open(directory.supervisorLog, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        var ends: [CInt] = [-1, -1]
        guard log >= 0, clinux_pipe(&ends) == 0 else {
            throw LabError(.stateUnusable, "write \(directory.supervisorLog): \(String(cString: strerror(errno)))")
        }
        defer { close(log) }
        let child: Child
        do {
            defer { close(ends[1]) }
            child = try Child(
                [
                    tools.pod, "init", "--lock", directory.lock, "--", tools.tulle, "lab", "supervise", "--directory",
                    directory.path,
                ], environment: Supervisor.environment, streams: Child.Streams(input: log, output: ends[1], error: log))
        } catch {
            close(ends[0])
            throw error
        }
        let lines = try Self.lines(of: ends[0])
        let status = await child.ended()
        guard status != 3 else {
            throw LabError(.alreadyUp, "a lab is up in \(directory.path)", remedy: "see tulle lab status\(directory.options)")
        }
        guard status == 0 else { throw failure(LabError(.processFailed, "the lab's first process ended with \(status)")) }
        for await line in lines {
            switch Supervisor.Announcement(line) {
            case .step(let what, let text): say(what, text)
            case .ready: return
            case .failed(let message, let code): throw failure(LabError(code, message))
            case nil: break
            }
        }
        try Task.checkCancellation()
        throw failure(LabError(.processFailed, "the supervisor ended before the lab was ready"))
    }

    /// With the last lines of the logs.
    private func failure(_ error: LabError) -> LabError {
        // Those that say what to do need no log.
        guard error.code == .processFailed else { return error }
        var lines = directory.lastLines(of: directory.supervisorLog)
        lines += directory.lastLines(of: directory.serverLog, count: 4)
        // What is wrong with one agent is mostly wrong with all.
        if let node = Files.names(in: directory.path + "/nodes").first {
            lines += directory.lastLines(of: directory.agentLog(node), count: 4)
        }
        return LabError(error.code, ([error.message] + lines.map { "  │ \($0)" }).joined(separator: "\n"), remedy: error.remedy)
    }

    private static func lines(of descriptor: CInt) throws(LabError) -> AsyncStream<String> {
        let (lines, feed) = AsyncStream<String>.makeStream()
        let pending = Pending()
        do throws(LabError) {
            try DescriptorWatch.shared.watch(descriptor) {
                var buffer = [UInt8](repeating: 0, count: 4096)
                let count = read(descriptor, &buffer, buffer.count)
                guard count > 0 else { return true }
                for line in pending.take(buffer[..<count]) { feed.yield(line) }
                return false
            } finish: {
                close(descriptor)
                feed.finish()
            }
        } catch {
            close(descriptor)
            throw error
        }
        return lines
    }

    private final class Pending: Sendable {
        private let bytes = Mutex<[UInt8]>([])

        /// The lines that are whole now.
        func take(_ more: ArraySlice<UInt8>) -> [String] {
            bytes.withLock { bytes in
                bytes += more
                guard let last = bytes.lastIndex(of: UInt8(ascii: "\n")) else { return [] }
                defer { bytes.removeFirst(last + 1) }
                return bytes[..<last].split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
            }
        }
    }
}

extension LabSettings {
    /// Apart from the port, which is where the lab is found and not what it is, and from what was done to its nodes since.
    func isSame(as other: LabSettings) -> Bool {
        var one = self
        (one.port, one.seats, one.nextPlug) = (other.port, other.seats, other.nextPlug)
        return one == other
    }
}

extension Supervisor.Announcement {
    /// A line of JSON, without its end.
    public var line: String {
        switch self {
        case .step(let what, let text): (["step": .string(what), "text": .string(text)] as JSONValue).description
        case .ready: (["ready": true] as JSONValue).description
        case .failed(let message, let code):
            (["failed": .string(message), "code": .string(code.rawValue)] as JSONValue).description
        }
    }

    init?(_ line: String) {
        guard let tree = try? JSONReader().value(line) else { return nil }
        if let what = tree["step"]?.string {
            self = .step(what, tree["text"]?.string ?? "")
        } else if tree["ready"] == true {
            self = .ready
        } else if let message = tree["failed"]?.string {
            self = .failed(message, code: (tree["code"]?.string).flatMap(LabError.Code.init) ?? .processFailed)
        } else {
            return nil
        }
    }
}
