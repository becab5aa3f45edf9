// PostGraphile on the portal's database: the peer of the dashboard figure. Its role is portal_app, and it sends the settings that the
// portal sends. Who asks comes with the request as a number: unlike the portal it verifies no token and looks up no membership.
import { createServer } from "node:http";

import { grafserv } from "postgraphile/grafserv/node";
import { makePgService } from "postgraphile/adaptors/pg";
import { postgraphile } from "postgraphile";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";

const [url, port] = process.argv.slice(2);
const id = (kind, tenant) => `${kind}-0000-4000-8000-000000000${tenant}`;

function settings(tenant) {
  const pool = id("b0000000", tenant);
  return {
    "app.current_tenant_id": id("7e000000", tenant),
    "app.actor_kind": "user",
    "app.current_user_id": id("a0000010", tenant),
    "app.member_pools": pool,
    "app.visible_pools": pool,
  };
}

const pgl = postgraphile({
  extends: [PostGraphileAmberPreset],
  pgServices: [makePgService({ connectionString: url, schemas: ["public"], poolConfig: { max: 16 } })],
  grafast: {
    context: (request) => ({ pgSettings: settings(request.node?.req.headers["x-tenant"] ?? "100") }),
  },
  grafserv: { watch: false, graphiql: false },
});

const server = createServer();
await pgl.createServ(grafserv).addTo(server);
server.listen(Number(port), "127.0.0.1");
