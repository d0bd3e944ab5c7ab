import NFTables
import NFTablesKernel
import Netlink
import Testing

@Suite("a table that goes with its maker", .tags(.kernel), .enabled(if: kernelIsThere))
struct OwnedTableTests {
    private let namespace: NetworkNamespace
    private let id = Table.ID(.ip, "owned")
    private var wanted: Table {
        Table(id.family, id.name, chains: [Chain("c", rules: [Rule(.ip, .counter)])], isOwned: true)
    }

    init() throws { namespace = try NetworkNamespace.new() }

    @Test("it is read back as it was made, nobody else can change it or take it away, and it goes with the socket")
    func life() throws {
        let watcher = try KernelTables(in: namespace)
        do {
            var owner = try KernelTables(in: namespace)
            try owner.settle(id, to: wanted)
            #expect(try watcher.observe(id)?.table == wanted)
            #expect(try owner.settle(id, to: wanted).isEmpty)
            #expect { try watcher.apply([.deleteTable(id)]) } throws: { ($0 as? KernelError)?.code == .notPermitted }
            #expect { try watcher.apply([.addChain(id, "d", nil)]) } throws: { ($0 as? KernelError)?.code == .notPermitted }
            _ = try nft(["flush", "ruleset"], in: namespace)
            #expect(try watcher.observe(id)?.table == wanted)
            try owner.settle(id, to: Table(id.family, id.name, chains: [Chain("d")], isOwned: true))
            #expect(try watcher.observe(id)?.table.chains["d"] != nil)
        }
        #expect(try watcher.observe(id) == nil)
    }

    @Test("one that nobody owns is made anew, and the other way round")
    func change() throws {
        var tables = try KernelTables(in: namespace)
        for isOwned in [false, true, false] {
            var table = wanted
            table.isOwned = isOwned
            try tables.settle(id, to: table)
            #expect(try tables.observe(id)?.table == table)
        }
    }

    @Test("nft lists it as its text says")
    func text() throws {
        var tables = try KernelTables(in: namespace)
        try tables.settle(id, to: wanted)
        let listed = try nft(["--stateless", "list", "table", "ip", "owned"], in: namespace)
        #expect(listed.replacing(#/ # progname .*/#, with: "") == wanted.text)
    }
}
