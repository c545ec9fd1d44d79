// An OpenID provider with two clients and a few people, at 127.0.0.1. Its login takes any password.
// Arguments: port, redirect URI, and `userinfo` for one that says what it knows of people only there.
import { Provider } from 'oidc-provider';

const [port, redirectUri, where] = process.argv.slice(2);

const people = {
  ann: { name: 'Ann Lee', roles: ['reviewer', 'lead', 'janitor'] },
  eve: { name: 'Eve' },
  zoe: { name: 'Zoe', roles: ['janitor'] },
};

const client = {
  redirect_uris: [redirectUri],
  grant_types: ['authorization_code'],
  response_types: ['code'],
};

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [
    { ...client, client_id: 'interlock', client_secret: 'not: a secret/of anybody' },
    { ...client, client_id: 'other', client_secret: 'of-another-application' },
  ],
  claims: { openid: ['sub'], profile: ['name', 'roles'], email: ['email'] },
  conformIdTokenClaims: where === 'userinfo',
  cookies: { keys: ['cookies of a test'] },
  pkce: { required: () => true },
  async findAccount(ctx, sub) {
    return people[sub] && { accountId: sub, claims: async () => ({ sub, ...people[sub] }) };
  },
});

provider.listen(Number(port), '127.0.0.1', () => console.log('listening'));
