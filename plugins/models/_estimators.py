"""Which scikit-learn estimators are models, by task and by the part of scikit-learn that they are in.

Written down, because finding out means importing all of scikit-learn (2.5 s); a test compares the lists with what
scikit-learn says of itself.
"""

from collections.abc import Mapping
from types import MappingProxyType

from engine.plugin import TaskName

CLASSIFIERS = {
    "calibration": "CalibratedClassifierCV",
    "discriminant_analysis": "LinearDiscriminantAnalysis QuadraticDiscriminantAnalysis",
    "dummy": "DummyClassifier",
    "ensemble": "AdaBoostClassifier BaggingClassifier ExtraTreesClassifier GradientBoostingClassifier "
    "HistGradientBoostingClassifier RandomForestClassifier",
    "gaussian_process": "GaussianProcessClassifier",
    "linear_model": "LogisticRegression LogisticRegressionCV PassiveAggressiveClassifier Perceptron RidgeClassifier "
    "RidgeClassifierCV SGDClassifier",
    "naive_bayes": "BernoulliNB CategoricalNB ComplementNB GaussianNB MultinomialNB",
    "neighbors": "KNeighborsClassifier NearestCentroid RadiusNeighborsClassifier",
    "neural_network": "MLPClassifier",
    "semi_supervised": "LabelPropagation LabelSpreading",
    "svm": "LinearSVC NuSVC SVC",
    "tree": "DecisionTreeClassifier ExtraTreeClassifier",
}
REGRESSORS = {
    "compose": "TransformedTargetRegressor",
    "cross_decomposition": "CCA PLSCanonical PLSRegression",
    "dummy": "DummyRegressor",
    "ensemble": "AdaBoostRegressor BaggingRegressor ExtraTreesRegressor GradientBoostingRegressor "
    "HistGradientBoostingRegressor RandomForestRegressor",
    "gaussian_process": "GaussianProcessRegressor",
    "isotonic": "IsotonicRegression",
    "kernel_ridge": "KernelRidge",
    "linear_model": "ARDRegression BayesianRidge ElasticNet ElasticNetCV GammaRegressor HuberRegressor Lars LarsCV "
    "Lasso LassoCV LassoLars LassoLarsCV LassoLarsIC LinearRegression OrthogonalMatchingPursuit "
    "OrthogonalMatchingPursuitCV PassiveAggressiveRegressor PoissonRegressor QuantileRegressor RANSACRegressor Ridge "
    "RidgeCV SGDRegressor TheilSenRegressor TweedieRegressor",
    "neighbors": "KNeighborsRegressor RadiusNeighborsRegressor",
    "neural_network": "MLPRegressor",
    "svm": "LinearSVR NuSVR SVR",
    "tree": "DecisionTreeRegressor ExtraTreeRegressor",
}
CLUSTERERS = {
    "cluster": "AffinityPropagation AgglomerativeClustering Birch BisectingKMeans DBSCAN HDBSCAN KMeans MeanShift "
    "MiniBatchKMeans OPTICS SpectralClustering",
}

EXCLUDED = {
    "needs another estimator as a parameter": "ClassifierChain FixedThresholdClassifier MultiOutputClassifier "
    "MultiOutputRegressor OneVsOneClassifier OneVsRestClassifier OutputCodeClassifier RegressorChain "
    "SelfTrainingClassifier StackingClassifier StackingRegressor TunedThresholdClassifierCV VotingClassifier "
    "VotingRegressor",
    "predicts several targets at once": "MultiTaskElasticNet MultiTaskElasticNetCV MultiTaskLasso MultiTaskLassoCV",
    "clusters columns, not rows": "FeatureAgglomeration",
}
"""The classifiers, regressors and clusterers of scikit-learn that are no models here, by reason."""

HOMES: Mapping[str, tuple[str, TaskName]] = MappingProxyType(
    {name: (f"sklearn.{home}", "classification") for home, listed in CLASSIFIERS.items() for name in listed.split()}
    | {name: (f"sklearn.{home}", "regression") for home, listed in REGRESSORS.items() for name in listed.split()}
    | {name: (f"sklearn.{home}", "clustering") for home, listed in CLUSTERERS.items() for name in listed.split()}
)
"""The module and the task of each estimator, by its class name."""
