import Addressing
import CLinux
import DNS
import Glibc
import Testing

@testable import NameServer

@Suite("a client that asks for more names than anybody has", .timeLimit(.minutes(5)))
struct OutsideFloodTests {
    @Test("one client's queries wait up to a number; more of it fail and say why, and another client has its place")
    func places() throws {
        let table = TableOfNames(["example.org": TableOfNames.address("example.org", "198.51.100.1")], isHeld: true)
        let stage = try ServingStage(["127.0.0.1"], outside: table) { $0.mostOfClient = 4 }
        let greedy = try Caller(stage.place(), from: "127.0.0.2")
        for number in 0..<4 { try greedy.send(ServingStage.query("example.org", id: UInt16(number))) }
        eventually("four wait") { stage.server.figures.underWay == 4 }
        let refused = try Message(greedy.ask(ServingStage.query("example.org", id: 4, edns: EDNS())))
        #expect(refused.responseCode == .serverFailure && refused.header.id == 4)
        #expect(refused.edns?.options.first?.extendedError?.text == "too many queries of this client under way")
        // Over TCP it is the same client.
        let stream = try Caller(stage.place(), stream: true, from: "127.0.0.2")
        try stream.send(#require(StreamFraming.framed(ServingStage.query("example.org", id: 5))))
        var framing = StreamFraming()
        #expect(try Message(#require(try stream.next(&framing))).responseCode == .serverFailure)
        let other = try Caller(stage.place(), from: "127.0.0.3")
        try other.send(ServingStage.query("example.org", id: 6))
        eventually("five wait") { stage.server.figures.underWay == 5 }
        table.release()
        #expect(try Message(other.receive()).answers.count == 1)
        for _ in 0..<4 { #expect(try Message(greedy.receive()).answers.count == 1) }
        // Its places are free again.
        #expect(try Message(greedy.ask(ServingStage.query("example.org", id: 7))).answers.count == 1)
        #expect(stage.server.figures.clientOverflows == 2 && stage.server.figures.overflows == 0)
        eventually("nobody waits") { stage.server.figures.underWay == 0 }
    }

    @Test("names that nobody answers, thousands of one client: another client is answered as if there were none")
    func starving() async throws {
        let silent = name("silent.example")
        let upstream = try FakeUpstream { heard, _ in
            heard.query.questions[0].name.isInside(silent) ? [] : [.send(heard.query.reply(1))]
        }
        // Its patience would end this test before the flood's questions come to an end.
        let forwarder = try Forwarder.started(
            ForwardingSettings(upstreams: [upstream.upstream], patience: .seconds(3600), mostUnderWay: 160))
        let stage = try ServingStage(["127.0.0.1"], outside: forwarder)
        let greedy = try Caller(stage.place(), from: "127.0.0.2")
        let most = NameServerSettings(addresses: [], now: { .zero }).mostOfClient
        for number in 0..<3000 { try greedy.send(ServingStage.query("n\(number).silent.example", id: UInt16(number))) }
        eventually("as many wait as may") { stage.server.figures.underWay == most }
        let other = try Caller(stage.place(), from: "127.0.0.3")
        for number in 0..<200 {
            let message = try Message(other.ask(ServingStage.query("n\(number).example.org", id: UInt16(number))))
            #expect(message.responseCode == .noError && message.answers.count == 1)
        }
        eventually("all others of the flood have failed") { stage.server.figures.clientOverflows == UInt64(3000 - most) }
        eventually("only the flood's wait") { stage.server.figures.underWay == most }
        #expect(forwarder.figures.rejected == 0)
        forwarder.stop()
        await upstream.stop()
    }

    @Test("a flood of names fills the memory to its limit, and the process takes no more for it than is counted")
    func bytes() async {
        // In a process of its own, as it is that one's memory which is measured.
        await #expect(processExitsWith: .success) {
            let limit = 8 << 20
            let memory = AnswerMemory(MemorySettings(byteLimit: limit, prefetch: nil))
            func flood(_ numbers: Range<Int>) {
                for number in numbers {
                    let name = DomainName("n\(number).a-name-as-a-flood-has-it.example.org") ?? .root
                    let answers = (0..<(1 + number % 8)).map { Record(name, .a(IPv4Address(192, 0, 2, UInt8($0))), ttl: 60) }
                    memory.keep(OutsideAnswer(.noError, answers: answers), to: OutsideWish(Question(name, .a)), now: .zero)
                }
            }
            // What the first one brings along is not the flood's.
            flood(0..<1)
            let before = residentBytes()
            flood(1..<50_000)
            clinux_trim_memory()
            let (taken, figures) = (residentBytes() - before, memory.figures)
            guard figures.bytes <= limit, figures.bytes > limit * 9 / 10, figures.evictions > 10_000, taken <= limit * 5 / 4
            else {
                print("taken \(taken), of \(limit); \(figures)")
                exit(1)
            }
            exit(0)
        }
    }
}

/// What this process has in memory (proc_pid_statm(5)).
private func residentBytes() -> Int {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    fgets(&line, Int32(line.count), file)
    let words = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self).split(separator: " ")
    return words.count > 1 ? (Int(words[1]) ?? 0) * sysconf(Int32(_SC_PAGESIZE)) : 0
}
