-- About 0.1: fewer columns, nodes as plain processes. Node 2 stands still, 3 was to be removed, 4 never had a folder.
CREATE TABLE machine (id INTEGER PRIMARY KEY, node_cap INTEGER, cpu_less_than INTEGER, cpu_remove INTEGER,
  mem_less_than INTEGER, mem_remove INTEGER, hd_less_than INTEGER, hd_remove INTEGER, max_load_average_allowed FLOAT,
  desired_load_average FLOAT, delay_start INTEGER, delay_restart INTEGER, delay_upgrade INTEGER, delay_remove INTEGER,
  node_storage TEXT, rewards_address TEXT, donate_address TEXT, port_start INTEGER, metrics_port_start INTEGER,
  rpc_port_start INTEGER, host TEXT, crisis_bytes INTEGER, environment TEXT, start_args TEXT,
  max_concurrent_upgrades INTEGER, max_concurrent_starts INTEGER, max_concurrent_removals INTEGER,
  process_manager TEXT, no_upnp INTEGER, antnode_path TEXT);
INSERT INTO machine VALUES (1, 20, 50, 70, 60, 75, 75, 90, 4.0, 2.4, 300, 600, 300, 300, '/data/node', 'faucet',
  '0x00455d78f850b0358E8cea5be24d415E01E107CF', 47, 13, 30, '127.0.0.1', 2000000000, NULL, '--ip 10.0.0.1', 1, 2, 1,
  'setsid+user', 1, '/opt/antnode');
CREATE TABLE node (id INTEGER PRIMARY KEY, manager_type TEXT, node_name TEXT, service TEXT, user TEXT, binary TEXT,
  version TEXT, root_dir TEXT, port INTEGER, metrics_port INTEGER, network TEXT, wallet TEXT, peer_id TEXT,
  status TEXT, timestamp INTEGER, age INTEGER);
INSERT INTO node VALUES
  (1, 'setsid+user', '0001', 'antnode0001.service', 'ant', '/data/node/antnode0001/antnode', '0.4.7',
   '/data/node/antnode0001', 47001, 13001, 'evm-arbitrum-one', '0x00455d78f850b0358E8cea5be24d415E01E107CF', '',
   'UPGRADING', 1795000000, 1760000000),
  (2, 'setsid+user', '0002', 'antnode0002.service', 'ant', '/data/node/antnode0002/antnode', '0.4.7',
   '/data/node/antnode0002', 47002, 13002, 'evm-arbitrum-one', '0x00455d78f850b0358E8cea5be24d415E01E107CF', '',
   'STOPPED', 1795000000, 1760000001),
  (3, 'setsid+user', '0003', 'antnode0003.service', 'ant', '/data/node/antnode0003/antnode', '0.4.7',
   '/data/node/antnode0003', 47003, 13003, 'evm-arbitrum-one', '0x00455d78f850b0358E8cea5be24d415E01E107CF', '',
   'REMOVING', 1795000000, 1760000002),
  (4, 'setsid+user', '0004', 'antnode0004.service', 'ant', '/data/node/antnode0004/antnode', '0.4.7',
   '/data/node/antnode0004', 47004, 13004, 'evm-arbitrum-one', '0x00455d78f850b0358E8cea5be24d415E01E107CF', '',
   'STOPPED', 1795000000, 1760000003);
