import type { CodegenConfig } from "@graphql-codegen/cli";

/** Typed documents from the server's own SDL (`portal schema`): a query that the schema does not know fails the build. */
const config: CodegenConfig = {
  schema: "schema.graphql",
  documents: ["src/**/*.{ts,tsx}", "!src/gql/**"],
  generates: {
    "src/gql/": {
      preset: "client",
      presetConfig: { fragmentMasking: false },
      config: {
        strictScalars: true,
        enumsAsTypes: true,
        useTypeImports: true,
        // Decimals stay strings: a credit amount never passes through a float.
        scalars: { DateTime: "string", Date: "string", Decimal: "string", UUID: "string", URL: "string" },
      },
    },
  },
};

export default config;
