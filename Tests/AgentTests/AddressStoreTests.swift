import Addressing
import Glibc
import Plan
import Testing

@testable import Agent

@Suite("the store of attachments")
struct AddressStoreTests {
    private let directory: TemporaryDirectory
    private let store: AddressStore

    init() throws {
        directory = try TemporaryDirectory()
        store = try AddressStore(directory: "\(directory.path)/deep/state")
    }

    @Test("an attachment is unanswered, attached, gone, and its addresses rest")
    func life() throws {
        let record = try record("c1", "10.244.1.2", "fd00::2")
        try store.begin(record)
        #expect(try store.contents().unanswered == [record])
        try store.commit(record)
        #expect(try store.contents().attached == [record])
        #expect(try store.contents().unanswered == [])
        try store.remove(record, at: .milliseconds(12_345))
        let contents = try store.contents()
        #expect(contents.attached == [])
        #expect(contents.resting == [try ip("10.244.1.2"): .milliseconds(12_345), try ip("fd00::2"): .milliseconds(12_345)])
        try store.remove(record, at: .milliseconds(12_345))
        #expect(directory.names(in: "deep/state/attachments") == [])
    }

    /// What an agent that starts now would take for held, after it has taken back what nobody answered.
    private func held() throws -> [AttachmentRecord] {
        for record in try store.contents().unanswered { try store.remove(record, at: .zero) }
        return try store.contents().attached
    }

    @Test("a kill between any two steps leaves what was before or what comes after")
    func kills() throws {
        let (one, other) = (try record("c1", "10.244.1.2", "fd00::2"), try record("c2", "10.244.1.3"))
        let adding = store.steps(beginning: one) + store.steps(committing: one)
        #expect(adding.count == 5, "create, rename; rename, and two addresses that no longer rest")
        for count in 0...adding.count {
            try store.begin(other)
            try store.commit(other)
            for step in adding.prefix(count) { try step.carryOut() }
            // The third step, the rename, is the one that attaches.
            let wanted = count < 3 ? [other] : [one, other]
            #expect(try held() == wanted, "after \(count) steps of an ADD")
            #expect(directory.names(in: "deep/state/attachments").count == wanted.count, "no draft stays after \(count) steps")
            for record in [one, other] { try store.remove(record, at: .zero) }
        }
        let removing =
            one.attachment.addresses.flatMap { store.steps(resting: $0, at: .seconds(7)) } + store.steps(removing: one)
        #expect(removing.count == 6)
        for count in 0...removing.count {
            try store.begin(one)
            try store.commit(one)
            for step in removing.prefix(count) { try step.carryOut() }
            let contents = try store.contents()
            #expect(contents.attached == (count < 5 ? [one] : []), "after \(count) steps of a DEL")
            // What is no longer held rests: it is not given out at once.
            let rests = one.attachment.addresses.allSatisfy { contents.resting[$0] == .seconds(7) }
            #expect(rests || count < 5, "after \(count) steps of a DEL")
            try store.remove(one, at: .zero)
        }
    }

    @Test("an address that is attached does not rest, though both are written down")
    func bothMarks() throws {
        let record = try record("c1", "10.244.1.2")
        try store.remove(record, at: .seconds(1))
        try store.begin(record)
        try store.steps(committing: record)[0].carryOut()
        let contents = try store.contents()
        #expect(contents.resting.count == 1)
        let ledger = PodLedger(attached: contents.attached, resting: contents.resting, rest: .seconds(30))
        #expect(ledger.resting == [:])
    }

    @Test(
        "names that would mean something to us or are long are told apart", arguments: ["eth0.new", "a.adding", "~x", ".hidden"])
    func names(_ interface: String) throws {
        let long = String(repeating: "c", count: 240)
        let records = [
            try record("c1", "10.244.1.2", interface: interface), try record(long, "10.244.1.3", interface: interface),
            try record(long + "d", "10.244.1.4", interface: interface),
        ]
        for record in records {
            try store.begin(record)
            try store.commit(record)
        }
        #expect(Set(try store.contents().attached) == Set(records))
        for record in records { try store.remove(record.attachment.id) }
        #expect(directory.names(in: "deep/state/attachments") == [])
    }

    @Test("what is no record is told with its link and left; what was never whole is taken away; neither stops a start")
    func damaged() throws {
        let folder = "deep/state/attachments"
        let long = try record(String(repeating: "c", count: 240), "10.244.1.3")
        try store.begin(long)
        try store.commit(long)
        let longName = try #require(directory.names(in: folder).first)
        try directory.write("not ours", to: "\(folder)/\(longName)")
        try directory.write("{\"container\":", to: "\(folder)/c1:eth0")
        try directory.write("", to: "\(folder)/.c2:eth0.adding")
        try directory.write("half", to: "\(folder)/~.c3:eth0.adding")
        #expect(mkdir("\(directory.path)/\(folder)/sub", 0o700) == 0)
        try directory.write("soon", to: "deep/state/resting/10.244.1.9")
        try directory.write("5", to: "deep/state/resting/nobody")
        let contents = try store.contents()
        #expect(contents.attached == [] && contents.unanswered == [] && contents.resting == [:])
        #expect(Set(contents.unreadable.map(\.link)).isSuperset(of: [id("c1").link, long.attachment.id.link]))
        #expect(contents.unreadable.count == 3)
        #expect(directory.names(in: folder) == ["c1:eth0", longName, "sub"].sorted())
    }

    @Test("one agent at a time works on a directory, and a killed one lets go")
    func lock() throws {
        let held = try StateLock(directory: store.directory)
        #expect { try StateLock(directory: store.directory) } throws: {
            "\($0)".contains("another agent works on this directory")
        }
        withExtendedLifetime(held) {}
        // What the kernel does when a process ends is what it does here when the descriptor goes.
        do { _ = consume held }
        _ = try StateLock(directory: store.directory)
    }
}
