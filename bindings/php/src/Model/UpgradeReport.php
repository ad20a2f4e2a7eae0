<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;
use SocialChannel\Internal\ListOf;

/**
 * What replacing an installed component by another one would change.
 */
final readonly class UpgradeReport implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** The provider's id. */
        public string $provider,
        /** The installed component. */
        public UpgradeSide $from,
        /** The other one. */
        public UpgradeSide $to,
        /** Both are the same component: there is nothing to replace. */
        public bool $same,
        /** @var list<UpgradeChange> What appears, changes and vanishes. */
        #[ListOf(UpgradeChange::class)]
        public array $changes,
        /** @var list<WaitingApp> Apps that would keep their older component, and the origins they would have to grant. */
        #[ListOf(WaitingApp::class)]
        public array $waiting,
        /** Jobs that are under way with the installed component. They finish with it. */
        public int $openJobs,
        /** Somebody else signed it, or nobody: the operator must agree. */
        public bool $signerChanged,
        /**
         * How many of the open jobs, the newest twenty at most, the other component was asked about by a call without network
         * and storage: only those whose publishing has begun, and only if the same signer signed it.
         */
        public int $askedJobs = 0,
        /** @var list<string> Those of them whose state it cannot read: they must not be moved to it. */
        public array $unreadableJobs = [],
    ) {
    }
}
